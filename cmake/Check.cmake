# Target `check`: builds everything, then runs every test of this build. Target `nightly`: the tests that draw
# their cases, with many more of them. To be included last.
function(attnc_collect_targets directory out)
  get_property(found DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  get_property(subdirectories DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(subdirectory ${subdirectories})
    attnc_collect_targets(${subdirectory} more)
    list(APPEND found ${more})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

attnc_collect_targets(${PROJECT_SOURCE_DIR} targets)
add_custom_target(check COMMAND ${CMAKE_CTEST_COMMAND} --output-on-failure USES_TERMINAL)
add_dependencies(check ${targets})

set(nightly_env ${CMAKE_COMMAND} -E env)
set(nightly_test ${CMAKE_CTEST_COMMAND} --output-on-failure --timeout 14400 -R)
add_custom_target(nightly
  COMMAND ${nightly_env} ATTNC_DRAWS=100000 ${nightly_test} "MaskProperties|TileMap[.]"
  COMMAND ${nightly_env} ATTNC_DRAWS=3000 ${nightly_test} "TileInterpreter|CpuKernels.Drawn|Sm80OnEmulator.Drawn|^lit$"
  COMMAND ${nightly_env} ATTNC_DRAWS=100000 ${nightly_test} "Fuzz[.]Mutations"
  USES_TERMINAL)
add_dependencies(nightly ${targets})
