//===- RandomInputs.cpp - run-time inputs that a kernel accepts -----------===//
#include "tools/RandomInputs.h"

#include "runtime/InputChecks.h"

#include <algorithm>
#include <random>

namespace attn::tools {

namespace {

/// How the masks read an input; the first that fits, in this order.
enum class Use {
  CumulativeQueries, ///< of packed sequences
  CumulativeKeys,
  RowPointers, ///< of listed blocks
  KeyBlocks,
  BlockBits,
  Mask,    ///< bool[batch, heads, queries, keys]
  Classes, ///< per token, of a table
  Labels,  ///< per token
  Lengths, ///< a number of keys for each batch entry or head
  Numbers, ///< what predicates compute with: positive
  Scores   ///< what scores alone read
};

struct Role {
  Use use = Use::Scores;
  const BlockList *list = nullptr; ///< of RowPointers, KeyBlocks and BlockBits
  int32_t partner = -1;            ///< the other input of cumulative lengths
  int64_t classes = 0;
};

constexpr int64_t kSequences = 5;    ///< where the spec leaves their number open
constexpr int64_t kLabelLength = 50; ///< tokens of a label, in the mean

class InputDrawer {
public:
  InputDrawer(const KernelInfo &info, const LaunchSizes &sizes, uint64_t seed)
      : info(info), sizes(sizes), seed(seed) {}

  Expected<std::map<std::string, Tensor>> draw() {
    std::map<std::string, Tensor> tensors;
    for (size_t i = 0; i < info.inputs.size(); ++i) {
      Expected<Tensor> tensor = drawInput(int32_t(i));
      if (!tensor)
        return tensor.takeError();
      tensors[info.inputs[i].name] = std::move(*tensor);
    }
    return tensors;
  }

private:
  //===--- What an input is for ---===//

  Role roleOf(int32_t input) const {
    Role role;
    auto set = [&](Use use) {
      bool stronger = use < role.use;
      role.use = std::min(role.use, use);
      return stronger;
    };
    for (const Formula &formula : info.formulas) {
      for (const TableInfo &table : formula.tables)
        addTable(table, input, role, set);
      for (const Symbol &symbol : formula.symbols)
        if ((symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput) &&
            symbol.index == input)
          set(isInPredicate(formula, symbol) ? Use::Numbers : Use::Lengths);
      for (const Atom &atom : formula.atoms)
        addAtom(formula, atom, input, role, set);
    }
    return role;
  }

  template <class Set>
  static void addTable(const TableInfo &table, int32_t input, Role &role, Set set) {
    bool isQuery = table.queryInput == input, isKey = table.keyInput == input;
    if (!isQuery && !isKey)
      return;
    switch (table.kind) {
    case TableKind::Input:
      set(Use::Numbers);
      break;
    case TableKind::RunBegin:
    case TableKind::RunEnd:
      set(Use::Labels);
      break;
    default:
      if (set(isQuery ? Use::CumulativeQueries : Use::CumulativeKeys))
        role.partner = isQuery ? table.keyInput : table.queryInput;
    }
  }

  template <class Set>
  static void addAtom(const Formula &formula, const Atom &atom, int32_t input, Role &role,
                      Set set) {
    bool isHere = atom.input == input || atom.keyInput == input;
    switch (atom.kind) {
    case AtomKind::Labels:
      if (isHere)
        set(Use::Labels);
      break;
    case AtomKind::Classes:
      if (isHere && set(Use::Classes))
        role.classes = formula.classTables[size_t(atom.index)].count;
      break;
    case AtomKind::Mask:
      if (isHere)
        set(Use::Mask);
      break;
    case AtomKind::Listed: {
      const BlockList &list = formula.blockLists[size_t(atom.index)];
      Use use = list.keyInput < 0        ? Use::BlockBits
                : list.rowInput == input ? Use::RowPointers
                                         : Use::KeyBlocks;
      if ((list.rowInput == input || list.keyInput == input) && set(use))
        role.list = &list;
      break;
    }
    case AtomKind::Predicate:
      for (const PairNode &node : formula.predicates[size_t(atom.index)])
        if (node.op == PairOp::Lookup && node.value == input)
          set(Use::Numbers);
      break;
    case AtomKind::Box:
      break;
    }
  }

  static bool isInPredicate(const Formula &formula, const Symbol &symbol) {
    for (const PairExpr &predicate : formula.predicates)
      for (const PairNode &node : predicate)
        if (node.op == PairOp::Symbol && formula.symbols[size_t(node.value)] == symbol)
          return true;
    return false;
  }

  //===--- Shapes ---===//

  /// Every extent that the kernel and the sizes leave open, chosen.
  std::vector<int64_t> shapeOf(int32_t input, const Role &role) const {
    std::vector<int64_t> shape = wantedShape(info, input, sizes);
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] < 0)
        shape[d] = openExtent(shape, d, role);
    return shape;
  }

  int64_t openExtent(const std::vector<int64_t> &shape, size_t d, const Role &role) const {
    bool isLast = d + 1 == shape.size();
    switch (role.use) {
    case Use::CumulativeQueries:
    case Use::CumulativeKeys: {
      int64_t partner = info.inputs[size_t(role.partner)].shape[0];
      return partner >= 0 ? partner : kSequences + 1;
    }
    case Use::RowPointers:
      return rows(*role.list) + 1;
    case Use::KeyBlocks: // a third of all blocks
      return std::max<int64_t>(rows(*role.list) * columns(*role.list) / 3, 1);
    case Use::BlockBits:
      return isLast ? ceilDiv(columns(*role.list), 32) : rows(*role.list);
    default: // long enough for sums and differences of positions
      return sizes.numQueries + sizes.numKeys + std::abs(sizes.queryOffset) + info.heads;
    }
  }

  int64_t rows(const BlockList &list) const { return ceilDiv(sizes.numQueries, list.size); }
  int64_t columns(const BlockList &list) const { return ceilDiv(sizes.numKeys, list.size); }

  //===--- Values ---===//

  Expected<Tensor> drawInput(int32_t input) {
    const InputInfo &declared = info.inputs[size_t(input)];
    Role role = roleOf(input);
    std::vector<int64_t> shape = shapeOf(input, role);
    uint64_t ownSeed = seed + uint64_t(input);
    if (isFloat(declared.dtype))
      return Tensor::randomNormal(shape, declared.dtype, ownSeed);
    Expected<Tensor> tensor = Tensor::allocate(shape, declared.dtype);
    if (!tensor)
      return tensor;
    // Inputs that belong together are drawn from one seed.
    generator.seed(isTogether(role.use) ? seed : ownSeed);
    fill(role, *tensor);
    return tensor;
  }

  static bool isTogether(Use use) {
    return use == Use::CumulativeQueries || use == Use::CumulativeKeys || use == Use::RowPointers ||
           use == Use::KeyBlocks;
  }

  void fill(const Role &role, Tensor &tensor) {
    switch (role.use) {
    case Use::CumulativeQueries:
    case Use::CumulativeKeys:
      return store(tensor, cumulativeLengths(tensor.shape()[0], role.use));
    case Use::RowPointers:
    case Use::KeyBlocks:
      return fillBlocks(role, tensor);
    case Use::BlockBits:
      return fillEach(tensor, [&](int64_t) { return int64_t(int32_t(generator())); });
    case Use::Mask:
      return fillMask(tensor);
    case Use::Classes:
      return store(tensor, runs(tensor.numElements(), role.classes));
    case Use::Labels:
      return store(tensor, labels(tensor.numElements()));
    case Use::Lengths: // one entry has none
      return fillEach(tensor, [&](int64_t i) { return i == 1 ? 0 : below(sizes.numKeys + 1); });
    case Use::Numbers:
      return fillEach(tensor, [&](int64_t) { return positive(tensor.dtype() == DType::Bool); });
    case Use::Scores:
      return fillEach(tensor,
                      [&](int64_t) { return below(tensor.dtype() == DType::Bool ? 2 : 64); });
    }
  }

  int64_t below(int64_t end) { return int64_t(generator() % uint64_t(std::max<int64_t>(end, 1))); }

  /// 1 to the number of keys, small ones as likely as large ones.
  int64_t positive(bool isBool) {
    if (isBool)
      return below(2);
    int64_t most = std::max<int64_t>(sizes.numKeys, 1), end = 2;
    while (end < most && below(6) > 0)
      end *= 2;
    return 1 + below(std::min(end, most));
  }

  template <class Value> void fillEach(Tensor &tensor, Value value) {
    auto *bytes = static_cast<char *>(tensor.data());
    for (int64_t i = 0; i < tensor.numElements(); ++i)
      storeElement(tensor.dtype(), bytes + i * dtypeSize(tensor.dtype()), double(value(i)));
  }
  void store(Tensor &tensor, const std::vector<int64_t> &values) {
    fillEach(tensor, [&](int64_t i) { return values[size_t(i)]; });
  }

  /// Cuts at the same fractions of queries and of keys; the second sequence is empty.
  std::vector<int64_t> cumulativeLengths(int64_t count, Use use) {
    constexpr int64_t kParts = 1 << 20;
    int64_t tokens = use == Use::CumulativeQueries ? sizes.numQueries : sizes.numKeys;
    std::vector<int64_t> cuts;
    for (int64_t i = 1; i + 1 < count; ++i)
      cuts.push_back(below(kParts + 1));
    std::sort(cuts.begin(), cuts.end());
    if (cuts.size() > 1)
      cuts[1] = cuts[0];
    std::vector<int64_t> lengths(size_t(count), 0);
    for (size_t i = 0; i < cuts.size(); ++i)
      lengths[i + 1] = tokens * cuts[i] / kParts;
    if (count > 1)
      lengths.back() = tokens;
    return lengths;
  }

  /// Runs of equal numbers below `end`, of all lengths.
  std::vector<int64_t> runs(int64_t count, int64_t end) {
    std::vector<int64_t> values;
    while (int64_t(values.size()) < count) {
      int64_t length = 1 + below(2 * kLabelLength), value = below(end);
      values.resize(size_t(std::min(int64_t(values.size()) + length, count)), value);
    }
    return values;
  }

  /// Documents ascend, the first ones below 0. Regions of an image do not, and every fourth time
  /// the labels of a sequence do not either.
  std::vector<int64_t> labels(int64_t count) {
    bool isScattered = sizes.kvTokens.size() > 1 || seed % 4 == 0;
    int64_t documents = std::max<int64_t>(count / kLabelLength, 2);
    std::vector<int64_t> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(below(documents) - 1);
    if (!isScattered)
      std::sort(values.begin(), values.end());
    return values;
  }

  /// Regions of 32 x 32 pairs are empty, full, half full or hold single ones.
  void fillMask(Tensor &tensor) {
    const std::vector<int64_t> &shape = tensor.shape();
    uint64_t regionSeed = generator();
    fillEach(tensor, [&](int64_t i) {
      int64_t k = i % shape[3], q = i / shape[3] % shape[2], rest = i / shape[3] / shape[2];
      uint64_t region = regionSeed ^ uint64_t((rest * 4096 + q / 32) * 4096 + k / 32);
      region *= 0x9e3779b97f4a7c15;
      constexpr int64_t kShown[] = {0, 64, 32, 2}; // of 64
      return int64_t(below(64) < kShown[region >> 62]);
    });
  }

  //===--- Listed blocks ---===//

  /// Lengths of the rows of one list, some of them 0, which together are at most `entries`.
  std::vector<int64_t> rowLengths(const BlockList &list, int64_t entries) {
    std::vector<int64_t> lengths;
    int64_t left = entries, count = rows(list);
    for (int64_t row = 0; row < count; ++row) {
      int64_t fair = 2 * left / std::max<int64_t>(count - row, 1) + 1;
      int64_t length = std::min({below(fair + 1), left, columns(list)});
      lengths.push_back(length);
      left -= length;
    }
    return lengths;
  }

  /// Both inputs draw all lists, and each keeps its part.
  void fillBlocks(const Role &role, Tensor &tensor) {
    const BlockList &list = *role.list;
    std::vector<int64_t> values;
    for (int64_t b = 0; b < leading(list, 0); ++b)
      for (int64_t h = 0; h < leading(list, 1); ++h) {
        std::vector<int64_t> part = drawList(list, role.use);
        if ((b == 0 || extentOf(tensor, 0) > b) && (h == 0 || extentOf(tensor, 1) > h))
          values.insert(values.end(), part.begin(), part.end());
      }
    store(tensor, values);
  }

  std::vector<int64_t> drawList(const BlockList &list, Use use) {
    // Shared row pointers need lists of equal rows.
    bool sharesRows = leading(list, 0, list.rowInput) * leading(list, 1, list.rowInput) <
                      leading(list, 0) * leading(list, 1);
    std::vector<int64_t> key = wantedShape(info, list.keyInput, sizes);
    int64_t entries =
        key.back() >= 0 ? key.back() : openExtent(key, key.size() - 1, {Use::KeyBlocks, &list});
    if (sharesRows)
      generator.seed(seed);
    std::vector<int64_t> lengths = rowLengths(list, entries), pointers{0}, blocks;
    for (int64_t length : lengths) {
      pointers.push_back(pointers.back() + length);
      std::vector<int64_t> all;
      for (int64_t block = 0; block < columns(list); ++block)
        all.push_back(block);
      std::shuffle(all.begin(), all.end(), generator);
      std::sort(all.begin(), all.begin() + length);
      blocks.insert(blocks.end(), all.begin(), all.begin() + length);
    }
    blocks.resize(size_t(entries), 0); // beyond the last row
    return use == Use::RowPointers ? pointers : blocks;
  }

  /// Lists of this dimension, batch or heads: of one input, or of both together.
  int64_t leading(const BlockList &list, size_t d, int32_t input = -1) const {
    if (input < 0)
      return std::max(leading(list, d, list.rowInput), leading(list, d, list.keyInput));
    std::vector<int64_t> shape = wantedShape(info, input, sizes);
    return shape.size() < 3 ? 1 : shape[d];
  }
  static int64_t extentOf(const Tensor &tensor, size_t d) {
    return tensor.shape().size() < 3 ? 1 : tensor.shape()[d];
  }

  const KernelInfo &info;
  const LaunchSizes &sizes;
  uint64_t seed;
  std::mt19937_64 generator;
};

} // namespace

Expected<std::map<std::string, Tensor>> randomInputs(const KernelInfo &info,
                                                     const LaunchSizes &sizes, uint64_t seed) {
  return InputDrawer(info, sizes, seed).draw();
}

} // namespace attn::tools
