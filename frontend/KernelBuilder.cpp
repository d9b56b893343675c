//===- KernelBuilder.cpp - a kernel to a function -------------------------===//
#include "frontend/Builders.h"

#include "mlir/IR/TypeRange.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace attn {
namespace {

/// Checks one kernel in the order of the fields, then makes its function.
class KernelBuilder {
public:
  KernelBuilder(const syntax::Kernel &kernel, const Source &source, OpBuilder &builder)
      : kernel(kernel), source(source), builder(builder) {}

  func::FuncOp build();

private:
  LogicalResult checkRequired() const;
  LogicalResult resolveNumbers();
  LogicalResult resolveLayouts();
  LogicalResult checkTensorSizes() const;
  LogicalResult resolveInputs();
  LogicalResult resolveMasks();
  LogicalResult checkHeadRanges(ArrayRef<const syntax::HeadRange *> ranges) const;
  void warnAboutUnreadInputs() const;

  LayoutAttr layoutOf(const syntax::Layout &layout) const;
  RankedTensorType tensorOf(ArrayRef<int64_t> shape) const {
    return RankedTensorType::get(shape, elementType);
  }
  MaskScope scope() const {
    return {source,
            {tokens.getDims(), kvTokens.getDims(), inputNames, inputTypes},
            batch,
            heads,
            tokens.getNumTokens(),
            kvTokens.getNumTokens()};
  }
  func::FuncOp makeFunction();
  AttentionOp makeAttention(Block &body);

  const syntax::Kernel &kernel;
  const Source &source;
  OpBuilder &builder;

  int64_t batch = 1, heads = 0, kvHeads = 0, headDim = 0, valueDim = 0;
  Type elementType;
  LayoutAttr tokens, kvTokens;
  SmallVector<StringRef> inputNames;
  SmallVector<Type> inputTypes;
  Attribute mask;
  SmallVector<Attribute> headMasks;
};

func::FuncOp KernelBuilder::build() {
  if (failed(checkRequired()) || failed(resolveNumbers()) || failed(resolveLayouts()) ||
      failed(checkTensorSizes()) || failed(resolveInputs()) || failed(resolveMasks()))
    return {};
  warnAboutUnreadInputs();
  return makeFunction();
}

LogicalResult KernelBuilder::checkRequired() const {
  auto require = [&](bool given, StringRef item, StringRef example) -> LogicalResult {
    if (given)
      return success();
    InFlightDiagnostic diag = source.error(kernel.name.loc);
    diag << "kernel '" << kernel.name.text << "' has no '" << item << "'";
    diag.attachNote() << "add for example '" << example << "'";
    return diag;
  };
  return success(succeeded(require(kernel.heads.has_value(), "heads", "heads 8")) &&
                 succeeded(require(kernel.headDim.has_value(), "head_dim", "head_dim 64")) &&
                 succeeded(require(kernel.dtype.has_value(), "dtype", "dtype f32")) &&
                 succeeded(require(kernel.tokens.has_value(), "tokens", "tokens [4096]")));
}

LogicalResult KernelBuilder::resolveNumbers() {
  auto valueOr = [](const std::optional<syntax::Integer> &given, int64_t fallback) {
    return given ? given->value : fallback;
  };
  batch = valueOr(kernel.batch, 1);
  heads = kernel.heads->value;
  kvHeads = valueOr(kernel.kvHeads, heads);
  headDim = kernel.headDim->value;
  valueDim = valueOr(kernel.valueDim, headDim);
  elementType = kernel.dtype->text == "f32"   ? Type(builder.getF32Type())
                : kernel.dtype->text == "f16" ? Type(builder.getF16Type())
                                              : Type(builder.getBF16Type());
  if (heads % kvHeads == 0)
    return success();
  InFlightDiagnostic diag = source.error(kernel.kvHeads->loc);
  diag << heads << " heads are no multiple of " << kvHeads << " kv_heads";
  diag.attachNote(source.at(kernel.heads->loc)) << "heads are given here";
  return diag;
}

LayoutAttr KernelBuilder::layoutOf(const syntax::Layout &layout) const {
  return LayoutAttr::getChecked([&] { return source.error(layout.loc); }, source.getContext(),
                                ArrayRef<int64_t>(layout.dims));
}

LogicalResult KernelBuilder::resolveLayouts() {
  tokens = layoutOf(*kernel.tokens);
  if (!tokens)
    return failure();
  kvTokens = kernel.kvTokens ? layoutOf(*kernel.kvTokens) : tokens;
  return success(kvTokens != nullptr);
}

/// Other rooms count elements and bytes in 64 bits.
LogicalResult KernelBuilder::checkTensorSizes() const {
  constexpr double kMaxElements = double(int64_t(1) << 56);
  for (auto [name, tensorHeads, length, dim] :
       {std::tuple("q", heads, tokens.getNumTokens(), headDim),
        std::tuple("output", heads, tokens.getNumTokens(), valueDim),
        std::tuple("k", kvHeads, kvTokens.getNumTokens(), headDim),
        std::tuple("v", kvHeads, kvTokens.getNumTokens(), valueDim)}) {
    double elements = double(batch) * double(tensorHeads) * double(dim) *
                      (ShapedType::isDynamic(length) ? 1.0 : double(length));
    if (elements > kMaxElements)
      return source.error(kernel.name.loc) << "tensor '" << name << "' of kernel '"
                                           << kernel.name.text << "' has more than 2^56 elements";
  }
  return success();
}

LogicalResult KernelBuilder::resolveInputs() {
  for (const syntax::Input &input : kernel.inputs) {
    StringRef name = input.name.text;
    if (llvm::is_contained({"q", "k", "v", "o", "lse"}, name))
      return source.error(input.name.loc)
             << "input '" << name << "' has the name of a tensor that every kernel has";
    if (const auto *first = llvm::find(inputNames, name); first != inputNames.end()) {
      InFlightDiagnostic diag = source.error(input.name.loc);
      diag << "input '" << name << "' is declared twice";
      diag.attachNote(source.at(kernel.inputs[first - inputNames.begin()].name.loc))
          << "first declared here";
      return diag;
    }
    SmallVector<int64_t> shape;
    for (const syntax::Extent &extent : input.extents)
      shape.push_back(extent.name.empty() ? extent.number : scope().extentOf(extent.name));
    inputNames.push_back(name);
    inputTypes.push_back(
        RankedTensorType::get(shape, builder.getIntegerType(input.type.text == "bool" ? 1 : 32)));
  }
  return success();
}

LogicalResult KernelBuilder::checkHeadRanges(ArrayRef<const syntax::HeadRange *> ranges) const {
  const syntax::HeadRange *previous = nullptr;
  for (const syntax::HeadRange *range : ranges) {
    if (range->last.value >= heads)
      return source.error(range->loc) << "heads " << range->first.value << ".." << range->last.value
                                      << " reach beyond the last head, " << heads - 1;
    if (previous && range->first.value <= previous->last.value) {
      bool inOrder = previous->loc.getPointer() < range->loc.getPointer();
      const auto *earlier = inOrder ? previous : range, *later = inOrder ? range : previous;
      InFlightDiagnostic diag = source.error(later->loc);
      diag << "heads " << later->first.value << ".." << later->last.value << " overlap heads "
           << earlier->first.value << ".." << earlier->last.value;
      diag.attachNote(source.at(earlier->loc)) << "which are given here";
      return diag;
    }
    previous = range;
  }
  return success();
}

LogicalResult KernelBuilder::resolveMasks() {
  mask = kernel.mask ? buildMask(*kernel.mask, scope()) : AllAttr::get(source.getContext());
  if (!mask)
    return failure();
  SmallVector<const syntax::HeadRange *> ranges;
  for (const syntax::HeadRange &range : kernel.headRanges)
    ranges.push_back(&range);
  llvm::sort(ranges, [](const auto *a, const auto *b) {
    return std::pair(a->first.value, a->loc.getPointer()) <
           std::pair(b->first.value, b->loc.getPointer());
  });
  if (failed(checkHeadRanges(ranges)))
    return failure();
  for (const syntax::HeadRange *range : ranges) {
    Attribute own = buildMask(range->mask, scope());
    if (!own)
      return failure();
    headMasks.push_back(
        HeadsAttr::get(source.getContext(), range->first.value, range->last.value, own));
  }
  return success();
}

static void collectInputs(const syntax::Mask &mask, llvm::function_ref<void(StringRef)> read) {
  for (const syntax::Argument &argument : mask.arguments)
    read(argument.value.word);
  for (const syntax::Mask &operand : mask.operands)
    collectInputs(operand, read);
}

void KernelBuilder::warnAboutUnreadInputs() const {
  llvm::StringSet<> seen;
  auto read = [&](StringRef word) { seen.insert(word); };
  if (kernel.mask)
    collectInputs(*kernel.mask, read);
  for (const syntax::HeadRange &range : kernel.headRanges)
    collectInputs(range.mask, read);
  for (const syntax::Input &input : kernel.inputs)
    if (!seen.contains(input.name.text))
      source.warning(input.name.loc) << "input '" << input.name.text << "' is read by no mask";
}

AttentionOp KernelBuilder::makeAttention(Block &body) {
  Location loc = source.at(kernel.name.loc);
  ValueRange arguments = body.getArguments();
  RankedTensorType output = tensorOf({batch, heads, tokens.getNumTokens(), valueDim});
  return AttentionOp::create(
      builder, loc, TypeRange{output, lseTypeOf(output)}, arguments[0], arguments[1], arguments[2],
      arguments.drop_front(3), builder.getStrArrayAttr(inputNames), tokens, kvTokens, mask,
      builder.getArrayAttr(headMasks),
      kernel.scale ? builder.getF64FloatAttr(kernel.scale->value) : FloatAttr(),
      kernel.qOffset ? builder.getI64IntegerAttr(kernel.qOffset->value) : IntegerAttr());
}

func::FuncOp KernelBuilder::makeFunction() {
  OpBuilder::InsertionGuard guard(builder);
  Location loc = source.at(kernel.name.loc);
  int64_t queries = tokens.getNumTokens(), keys = kvTokens.getNumTokens();
  SmallVector<Type> types = {tensorOf({batch, heads, queries, headDim}),
                             tensorOf({batch, kvHeads, keys, headDim}),
                             tensorOf({batch, kvHeads, keys, valueDim})};
  llvm::append_range(types, inputTypes);
  RankedTensorType output = tensorOf({batch, heads, queries, valueDim});
  auto function =
      func::FuncOp::create(builder, loc, kernel.name.text,
                           builder.getFunctionType(types, TypeRange{output, lseTypeOf(output)}));
  Block &body = *function.addEntryBlock();
  SmallVector<StringRef> names = {"q", "k", "v"};
  llvm::append_range(names, inputNames);
  for (auto [argument, name] : llvm::zip_equal(body.getArguments(), names))
    argument.setLoc(NameLoc::get(builder.getStringAttr(name), loc));
  builder.setInsertionPointToStart(&body);
  AttentionOp attention = makeAttention(body);
  if (kernel.score && failed(buildScore(*kernel.score, source, attention))) {
    function.erase();
    return {};
  }
  func::ReturnOp::create(builder, loc, attention.getResults());
  return function;
}

} // namespace

func::FuncOp buildKernel(const syntax::Kernel &kernel, const Source &source, OpBuilder &builder) {
  return KernelBuilder(kernel, source, builder).build();
}

} // namespace attn
