# Reading MLIR's headers is most of the work of compiling a file that uses them, so all rooms share one
# precompiled header. A file still includes what it uses: -DATTNC_PCH=OFF builds without.
file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cpp "")
add_library(attnPrecompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cpp)
add_dependencies(attnPrecompiled attnDialectIncGen)
# Without a time stamp in the header ccache can compare it.
target_compile_options(attnPrecompiled PRIVATE ${ATTNC_MLIR_FLAGS} "SHELL:-Xclang -fno-pch-timestamp")
target_precompile_headers(attnPrecompiled PRIVATE
  <mlir/Dialect/Func/IR/FuncOps.h>
  <mlir/Dialect/LLVMIR/LLVMDialect.h>
  <mlir/Dialect/MemRef/IR/MemRef.h>
  <mlir/Dialect/SCF/IR/SCF.h>
  <mlir/Dialect/Vector/IR/VectorOps.h>
  <mlir/IR/Builders.h>
  <mlir/Pass/PassManager.h>
  <mlir/Transforms/DialectConversion.h>
  ${PROJECT_SOURCE_DIR}/dialect/Tile.h
)
foreach(target attnDialect attnSimulator attnFrontend attnPasses attnCodegenCommon attnCodegenCPU
               attnCodegenGeneric attnCodegenNVVM attnJit attnTools attn-passes-tests)
  if(TARGET ${target})
    target_precompile_headers(${target} REUSE_FROM attnPrecompiled)
  endif()
endforeach()
