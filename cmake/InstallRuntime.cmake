# `cmake --install`, component runtime: attnc.h, DLPack's header, libattnc_runtime and what find_package(attnc) reads.
include(CMakePackageConfigHelpers)
install(FILES ${PROJECT_SOURCE_DIR}/runtime/attnc.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/third_party/dlpack/dlpack.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlpack COMPONENT runtime)
set_target_properties(attnc_runtime PROPERTIES EXPORT_NAME runtime)
set_target_properties(attnc_runtime_static PROPERTIES EXPORT_NAME runtime_static)
install(TARGETS attnc_runtime attnc_runtime_static EXPORT attncTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime)
install(EXPORT attncTargets NAMESPACE attnc:: DESTINATION ${ATTNC_CONFIG} COMPONENT runtime)
file(WRITE ${PROJECT_BINARY_DIR}/attncConfig.cmake.in [=[
@PACKAGE_INIT@
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/attncTargets.cmake)
set(attnc_runtime_FOUND TRUE)
# There where the compiler was installed, too: cmake/InstallJit.cmake.
include(${CMAKE_CURRENT_LIST_DIR}/attncJitTargets.cmake OPTIONAL RESULT_VARIABLE attnc_jit_FOUND)
check_required_components(attnc)
]=])
configure_package_config_file(${PROJECT_BINARY_DIR}/attncConfig.cmake.in
  ${PROJECT_BINARY_DIR}/attncConfig.cmake INSTALL_DESTINATION ${ATTNC_CONFIG})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/attncConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/attncConfig.cmake ${PROJECT_BINARY_DIR}/attncConfigVersion.cmake
        DESTINATION ${ATTNC_CONFIG} COMPONENT runtime)
