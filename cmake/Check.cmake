# Target `check`: builds everything, then runs every test of this build. To be included last.
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
