//===- SpecInputs.h - run-time inputs for tile maps --------------*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"
#include "runtime/LaunchChecks.h"
#include "simulator/Problem.h"

namespace attn::tools {

/// What a launch would know of the selected kernel, which stays as it is.
mlir::FailureOr<KernelInfo> launchInfoOf(Compilation &compilation);

Status checkBatch(int64_t batch, int64_t batches);

/// The inputs that masks read, from a file, checked as a launch checks them. Others, which scores
/// alone read, may be missing.
class SpecInputs {
public:
  static Expected<SpecInputs> read(KernelInfo info, const std::string &path);

  /// Sets layouts that are empty and have a `?`, where the extents of the inputs or their
  /// cumulative lengths say how many tokens there are.
  Status bindLengths(std::vector<int64_t> &tokens, std::vector<int64_t> &kvTokens) const;

  /// The problem has its sizes.
  Expected<InputValues> valuesFor(const Problem &problem, int64_t batch) &&;

private:
  explicit SpecInputs(KernelInfo info)
      : info(std::move(info)), tensors(std::make_shared<std::map<std::string, Tensor>>()) {}
  void bindExtents(const std::vector<int64_t> &wanted, const std::vector<int64_t> &given);
  void bindSizes();

  KernelInfo info;
  std::shared_ptr<std::map<std::string, Tensor>> tensors;
  std::optional<int64_t> queries, keys, batches; ///< that the inputs speak of
};

} // namespace attn::tools
