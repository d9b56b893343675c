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
  /// One range of heads and the mask that it has.
  struct HeadEntry {
    syntax::HeadRange range;
    const syntax::HeadMask *owner;
    const char *place() const { return range.first.loc.getPointer(); }
  };

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
  LogicalResult resolvePacking();
  LogicalResult resolveMasks();
  FailureOr<SmallVector<HeadEntry>> sortedHeads() const;
  Attribute maskOf(const syntax::Mask *mask) const;
  void warnAboutUnreadInputs() const;

  LayoutAttr layoutOf(const syntax::Layout &layout) const;
  LayoutAttr groupedLayoutOf(const syntax::Layout &layout) const;
  RankedTensorType tensorOf(ArrayRef<int64_t> shape) const {
    return RankedTensorType::get(shape, elementType);
  }
  /// Without packing.
  MaskContext context() const {
    return {tokens.getDims(), kvTokens.getDims(),     inputNames, inputTypes, heads,
            groupNames,       kvTokens.getNumTokens()};
  }
  MaskScope scope() const {
    MaskContext inside = context();
    inside.isPacked = kernel.packed.has_value();
    inside.isSelfPacked =
        inside.isPacked && kernel.packed->queries.text == kernel.packed->keys.text;
    return {source, inside, kvTokens, batch, heads, tokens.getNumTokens(), kvTokens.getNumTokens()};
  }
  func::FuncOp makeFunction();
  AttentionOp makeAttention(Block &body);
  /// Of the name of a type that inputs may have.
  Type elementOf(StringRef name) const {
    return name == "f32"    ? Type(builder.getF32Type())
           : name == "f16"  ? Type(builder.getF16Type())
           : name == "bf16" ? Type(builder.getBF16Type())
                            : Type(builder.getIntegerType(name == "bool" ? 1 : 32));
  }

  const syntax::Kernel &kernel;
  const Source &source;
  OpBuilder &builder;

  int64_t batch = 1, heads = 0, kvHeads = 0, headDim = 0, valueDim = 0;
  Type elementType;
  LayoutAttr tokens, kvTokens;
  SmallVector<StringRef> groupNames, inputNames;
  SmallVector<Type> inputTypes;
  Attribute mask;
  SmallVector<Attribute> headMasks;
};

func::FuncOp KernelBuilder::build() {
  if (failed(checkRequired()) || failed(resolveNumbers()) || failed(resolveLayouts()) ||
      failed(checkTensorSizes()) || failed(resolveInputs()) || failed(resolvePacking()) ||
      failed(resolveMasks()))
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
  elementType = elementOf(kernel.dtype->text);
  if (heads % kvHeads == 0)
    return success();
  InFlightDiagnostic diag = source.error(kernel.kvHeads->loc);
  diag << heads << " heads are no multiple of " << kvHeads << " kv_heads";
  diag.attachNote(source.at(kernel.heads->loc)) << "heads are given here";
  return diag;
}

LayoutAttr KernelBuilder::layoutOf(const syntax::Layout &layout) const {
  if (layout.hasNames())
    return groupedLayoutOf(layout);
  auto dims = llvm::map_to_vector(layout.groups.front().dims,
                                  [](const syntax::Integer &dim) { return dim.value; });
  return LayoutAttr::getChecked([&] { return source.error(layout.loc); }, source.getContext(),
                                ArrayRef<int64_t>(dims), ArrayRef<GroupAttr>(), SplitAttr());
}

/// The first group's slabs, lengthened until all tokens have a place, are counted too.
LayoutAttr KernelBuilder::groupedLayoutOf(const syntax::Layout &layout) const {
  MLIRContext *context = source.getContext();
  SmallVector<GroupAttr> groups;
  int64_t tokens = 0, slab = 1;
  for (const syntax::Group &group : layout.groups) {
    SmallVector<int64_t> dims;
    int64_t product = 1;
    for (const syntax::Integer &dim : group.dims) {
      dims.push_back(dim.value);
      int64_t length = ShapedType::isDynamic(dim.value) ? 1 : dim.value;
      if (product > kMaxMagnitude / length)
        return source.error(group.name.loc)
                   << "token group '" << group.name.text << "' has more than 2^40 tokens",
               LayoutAttr();
      product *= length;
      if (groups.empty() && dims.size() > 1)
        slab *= length;
    }
    tokens += product;
    groups.push_back(GroupAttr::get(context, StringAttr::get(context, group.name.text), dims));
  }
  if (tokens > kMaxMagnitude - slab)
    return source.error(layout.loc) << "token layout has more than 2^40 tokens", LayoutAttr();
  return LayoutAttr::ofGroups(context, groups);
}

LogicalResult KernelBuilder::resolveLayouts() {
  tokens = layoutOf(*kernel.tokens);
  if (!tokens)
    return failure();
  groupNames = tokens.getGroupNames();
  kvTokens = kernel.kvTokens ? layoutOf(*kernel.kvTokens) : tokens;
  if (!kvTokens)
    return failure();
  if (tokens == kvTokens || (!tokens.hasGroups() && !kvTokens.hasGroups()))
    return success();
  InFlightDiagnostic diag = source.error(kernel.kvTokens->loc);
  diag << "token groups need queries and keys on one layout, but 'kv_tokens' differs from 'tokens'";
  diag.attachNote(source.at(kernel.tokens->loc)) << "'tokens' is given here; without 'kv_tokens' "
                                                    "the keys have its layout";
  return diag;
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
    inputTypes.push_back(RankedTensorType::get(shape, elementOf(input.type.text)));
  }
  return success();
}

/// Cumulative lengths are declared inputs, and every sequence has an offset of its own.
LogicalResult KernelBuilder::resolvePacking() {
  if (!kernel.packed)
    return success();
  const syntax::Packed &packed = *kernel.packed;
  for (const syntax::Word &input : {packed.queries, packed.keys}) {
    if (llvm::is_contained(inputNames, input.text))
      continue;
    InFlightDiagnostic diag = source.error(input.loc);
    diag << "unknown input '" << input.text << "'";
    suggest(*diag.getUnderlyingDiagnostic(), input.text, inputNames);
    diag.attachNote() << "declare it with 'input " << input.text << " : i32[?]'";
    return diag;
  }
  if (kernel.qOffset) {
    InFlightDiagnostic diag = source.error(kernel.qOffset->loc);
    diag << "'q_offset' cannot be fixed for packed sequences, each has its own: keys less queries";
    diag.attachNote(source.at(packed.loc)) << "they are packed here";
    return diag;
  }
  auto emit = [&] { return source.error(packed.loc); };
  auto dense = cast<PackedAttr>(maskOf(nullptr));
  return dense.verifyOn(emit, context());
}

/// `heads 3`, or `heads 3..5`
static std::string rangeText(const syntax::HeadRange &range) {
  std::string text = "heads " + std::to_string(range.first.value);
  return range.first.value == range.last.value ? text
                                               : text + ".." + std::to_string(range.last.value);
}

/// In ascending order.
FailureOr<SmallVector<KernelBuilder::HeadEntry>> KernelBuilder::sortedHeads() const {
  SmallVector<HeadEntry> entries;
  for (const syntax::HeadMask &owner : kernel.headMasks)
    for (const syntax::HeadRange &range : owner.ranges)
      entries.push_back({range, &owner});
  llvm::sort(entries, [](const HeadEntry &a, const HeadEntry &b) {
    return std::pair(a.range.first.value, a.place()) < std::pair(b.range.first.value, b.place());
  });
  const HeadEntry *previous = nullptr;
  for (const HeadEntry &entry : entries) {
    if (entry.range.last.value >= heads)
      return source.error(entry.range.first.loc)
             << rangeText(entry.range) << " reach beyond the last head, " << heads - 1;
    if (previous && entry.range.first.value <= previous->range.last.value) {
      bool inOrder = previous->place() < entry.place();
      const HeadEntry &earlier = inOrder ? *previous : entry, &later = inOrder ? entry : *previous;
      InFlightDiagnostic diag = source.error(later.range.first.loc);
      diag << rangeText(later.range) << " overlap " << rangeText(earlier.range);
      diag.attachNote(source.at(earlier.range.first.loc)) << "which are given here";
      return diag;
    }
    previous = &entry;
  }
  return entries;
}

/// `all` where no mask is given; inside the sequences, if they are packed.
Attribute KernelBuilder::maskOf(const syntax::Mask *mask) const {
  MLIRContext *context = source.getContext();
  Attribute inside = mask ? buildMask(*mask, scope()) : Attribute(AllAttr::get(context));
  if (!inside || !kernel.packed)
    return inside;
  auto input = [&](const syntax::Word &word) { return FlatSymbolRefAttr::get(context, word.text); };
  return PackedAttr::get(context, input(kernel.packed->queries), input(kernel.packed->keys),
                         inside);
}

LogicalResult KernelBuilder::resolveMasks() {
  mask = maskOf(kernel.mask ? &*kernel.mask : nullptr);
  if (!mask)
    return failure();
  FailureOr<SmallVector<HeadEntry>> entries = sortedHeads();
  if (failed(entries))
    return failure();
  llvm::DenseMap<const syntax::HeadMask *, Attribute> masks;
  for (const syntax::HeadMask &owner : kernel.headMasks)
    if (!(masks[&owner] = maskOf(&owner.mask)))
      return failure();
  for (const HeadEntry &entry : *entries)
    headMasks.push_back(HeadsAttr::get(source.getContext(), entry.range.first.value,
                                       entry.range.last.value, masks[entry.owner]));
  return success();
}

static void collectInputs(const syntax::Mask &mask, llvm::function_ref<void(StringRef)> read) {
  llvm::for_each(mask.inputs, read);
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
  for (const syntax::HeadMask &heads : kernel.headMasks)
    collectInputs(heads.mask, read);
  if (kernel.packed) {
    read(kernel.packed->queries.text);
    read(kernel.packed->keys.text);
  }
  for (size_t i = 0; kernel.score && i < kernel.score->nodes.size(); ++i)
    if (kernel.score->nodes[i].op == syntax::ScoreNode::Index)
      read(kernel.score->nodes[i].text.text);
  for (const syntax::Input &input : kernel.inputs)
    if (!seen.contains(input.name.text))
      source.warning(input.name.loc)
          << "input '" << input.name.text << "' is read by no mask and no score";
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
  if (kernel.score && failed(buildScore(*kernel.score, source, kernel.inputs, attention))) {
    function.erase();
    return {};
  }
  warnAboutBlindHeads(attention, source, kernel.name);
  func::ReturnOp::create(builder, loc, attention.getResults());
  return function;
}

} // namespace

func::FuncOp buildKernel(const syntax::Kernel &kernel, const Source &source, OpBuilder &builder) {
  return KernelBuilder(kernel, source, builder).build();
}

} // namespace attn
