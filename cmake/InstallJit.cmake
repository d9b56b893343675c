# `cmake --install`, component jit: libattnc_jit, which holds the compiler, and <attnc/jit.h> with the headers that it
# includes. They lie below include/attnc as they do here, so that their includes are the same.
set(parts attnAlgebra attnRuntime attnEmulator attnDevices attnTimeModel attnDialect attnSimulator attnFrontend
  attnPasses attnCodegenCommon attnCodegenCPU attnCodegenGeneric attnCodegenNVVM attnJit)
file(WRITE ${PROJECT_BINARY_DIR}/jit.cpp "")
add_library(attnc_jit SHARED ${PROJECT_BINARY_DIR}/jit.cpp)
foreach(part ${parts})
  target_sources(attnc_jit PRIVATE $<TARGET_OBJECTS:${part}>)
endforeach()
target_link_libraries(attnc_jit PRIVATE MLIR LLVM Threads::Threads ${CMAKE_DL_LIBS})
set_target_properties(attnc_jit PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  EXPORT_NAME jit LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR} INSTALL_RPATH "${LLVM_LIBRARY_DIR}")
target_include_directories(attnc_jit INTERFACE
  $<INSTALL_INTERFACE:include> $<INSTALL_INTERFACE:include/attnc>)
target_compile_definitions(attnc_jit INTERFACE FMT_HEADER_ONLY=1)
target_compile_features(attnc_jit INTERFACE cxx_std_20)

# The headers that a header of ours includes, one after the other.
function(attnc_headers_of header out)
  set(found ${header})
  set(next 0)
  list(LENGTH found count)
  while(next LESS count)
    list(GET found ${next} current)
    file(STRINGS ${PROJECT_SOURCE_DIR}/${current} lines REGEX "^#include \"")
    foreach(line ${lines})
      string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" included "${line}")
      list(APPEND found ${included})
    endforeach()
    list(REMOVE_DUPLICATES found)
    list(LENGTH found count)
    math(EXPR next "${next} + 1")
  endwhile()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

attnc_headers_of(jit/jit.h headers)
list(REMOVE_ITEM headers jit/jit.h)
set(folder ${CMAKE_INSTALL_INCLUDEDIR}/attnc)
install(FILES ${PROJECT_SOURCE_DIR}/jit/jit.h DESTINATION ${folder} COMPONENT jit)
foreach(header ${headers})
  get_filename_component(room ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${header} DESTINATION ${folder}/${room} COMPONENT jit)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/third_party/fmt ${PROJECT_SOURCE_DIR}/third_party/dlpack DESTINATION ${folder}
  COMPONENT jit FILES_MATCHING PATTERN "*.h")
install(TARGETS attnc_jit EXPORT attncJitTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT jit)
install(EXPORT attncJitTargets NAMESPACE attnc:: DESTINATION ${ATTNC_CONFIG} COMPONENT jit)
