#include "tools/BoundSpec.h"

#include "tools/Report.h"
#include "tools/SpecInputs.h"

using namespace mlir;

namespace attn::tools {

static ProblemRequest requestOf(const BoundOptions &options) {
  return {options.tokens, options.kvTokens, options.queryOffset, options.queryTile,
          options.keyTile};
}

/// `--batch` alone suits a kernel whose masks read the number of the batch entry and no inputs.
static FailureOr<Problem> bindWithoutInputs(AttentionOp op, const BoundOptions &options) {
  FailureOr<Problem> problem = bindSizes(op, requestOf(options));
  if (failed(problem))
    return failure();
  if (options.batch) {
    if (!op.getMaskInputs().names.empty())
      return fail(makeError("'--batch' chooses an entry of the run-time inputs")
                      .withNote("give them with '--inputs='")),
             failure();
    if (Status status = checkBatch(*options.batch, problem->batch); !status)
      return fail(status.error()), failure();
    problem->inputs = InputValues{nullptr, {}, *options.batch};
  }
  return problem;
}

static FailureOr<Problem> bindWithInputs(Compilation &compilation, const BoundOptions &given) {
  FailureOr<KernelInfo> info = launchInfoOf(compilation);
  if (failed(info))
    return failure();
  Expected<SpecInputs> inputs = SpecInputs::read(std::move(*info), given.inputs);
  if (!inputs)
    return fail(inputs.error()), failure();
  BoundOptions options = given;
  if (Status status = inputs->bindLengths(options.tokens, options.kvTokens); !status)
    return fail(status.error()), failure();
  FailureOr<Problem> problem = bindSizes(compilation.attention(), requestOf(options));
  if (failed(problem))
    return failure();
  Expected<InputValues> values = std::move(*inputs).valuesFor(*problem, given.batch.value_or(0));
  if (!values)
    return fail(values.error()), failure();
  problem->inputs = std::move(*values);
  return problem;
}

FailureOr<Problem> bindWithoutMaps(Compilation &compilation, const BoundOptions &options) {
  return options.inputs.empty() ? bindWithoutInputs(compilation.attention(), options)
                                : bindWithInputs(compilation, options);
}

FailureOr<Problem> bindKernel(Compilation &compilation, const BoundOptions &options) {
  FailureOr<Problem> problem = bindWithoutMaps(compilation, options);
  if (failed(problem) || failed(mapHeads(compilation.attention(), *problem)))
    return failure();
  return problem;
}

FailureOr<Problem> bindSpec(Compilation &compilation, const BoundOptions &options) {
  if (failed(compilation.loadFile(options.spec)) ||
      failed(compilation.selectKernel(options.kernel)))
    return failure();
  return bindKernel(compilation, options);
}

std::string kernelName(Compilation &compilation) {
  return compilation.attention()->getParentOfType<func::FuncOp>().getName().str();
}

std::string headsText(ArrayRef<int64_t> heads) {
  std::string text;
  for (size_t i = 0; i < heads.size();) {
    size_t last = i;
    while (last + 1 < heads.size() && heads[last + 1] == heads[last] + 1)
      ++last;
    text += text.empty() ? "" : ", ";
    text += last > i ? fmt::format("{}..{}", heads[i], heads[last]) : fmt::format("{}", heads[i]);
    i = last + 1;
  }
  return text;
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t i = int64_t(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(size_t(i), ",");
  return digits;
}

} // namespace attn::tools
