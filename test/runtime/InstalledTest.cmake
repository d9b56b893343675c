# cmake -DBUILD= -DSOURCE= -DFOLDER= -P InstalledTest.cmake: installs the runtime of a build into an empty prefix, builds
# the program in C against it by find_package(attnc), and runs it.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${FOLDER})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/prefix --component runtime)
run(${CMAKE_COMMAND} -S ${SOURCE}/test/runtime/installed -B ${FOLDER}/build -DCMAKE_PREFIX_PATH=${FOLDER}/prefix
  -DPROGRAM=${SOURCE}/test/runtime/capi_test.c -DCMAKE_C_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${FOLDER}/build)
run(${FOLDER}/build/program ${SOURCE}/test/runtime/Inputs/window.attnpkg)
file(REMOVE_RECURSE ${FOLDER})
