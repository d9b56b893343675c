#include "test/passes/Interpreter.h"

#include "dialect/MaskFormulas.h"
#include "dialect/algebra/MapInputs.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/ErrorHandling.h"

#include <cmath>
#include <deque>

using namespace mlir;

namespace attn::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// A scalar or a tile; integers are exact in a double.
using Datum = std::vector<double>;

class Interpreter {
public:
  Interpreter(tile::AttentionOp op, TileRun &run)
      : op(op), run(run), formulas(formulasOf(op)), geometry(geometryOf(op, run)),
        inputs(geometry, inputViews(), formulas.formulas.front().tables, geometry.numQueries,
               run.queryOffset) {}

  void runAll() {
    int64_t batch = run.query.shape[0], heads = run.query.shape[1];
    Block &body = op.getBody().front();
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t h = 0; h < heads; ++h) {
        TileMap map = mapOf(b, h);
        currentMap = &map;
        for (int64_t t = 0; t < geometry.numQueryTiles(); ++t) {
          bind(body, {double(b), double(h), double(t)});
          runBlock(body);
        }
      }
  }

private:
  static TileGeometry geometryOf(tile::AttentionOp op, const TileRun &run) {
    TileGeometry g;
    g.rank = static_cast<int>(op.getRank());
    for (int d = 0; d < g.rank; ++d) {
      g.queries[d] = run.queryDims[d];
      g.keys[d] = run.keyDims[d];
      g.queryTile[d] = op.getQueryTile()[d];
      g.keyTile[d] = op.getKeyTile()[d];
    }
    g.bounded = op.isBounded();
    g.numQueries = run.query.shape[2];
    g.numKeys = run.key.shape[2];
    return g;
  }

  /// The integer inputs in memory as a launch has them.
  std::vector<DataView> inputViews() {
    std::vector<DataView> views;
    for (auto [input, tensor] : llvm::zip_equal(run.inputs, op.getInputs())) {
      Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
      DataView &view = views.emplace_back();
      view.rank = int(input.shape.size());
      view.isBool = element.isInteger(1);
      if (view.isBool)
        view.data = flags.emplace_back(input.data.begin(), input.data.end()).data();
      else if (element.isInteger(32))
        view.data = integers.emplace_back(input.data.begin(), input.data.end()).data();
      int64_t stride = 1;
      for (int d = view.rank - 1; d >= 0; --d) {
        view.shape[d] = input.shape[d];
        view.strides[d] = input.shape[d] == 1 ? 0 : stride;
        stride *= input.shape[d];
      }
    }
    return views;
  }

  int64_t symbol(SymbolKind kind, int64_t index, int64_t b, int64_t h) {
    int32_t mask = op.getMaskOfHead()[h];
    switch (kind) {
    case SymbolKind::NumQueries: return run.query.shape[2];
    case SymbolKind::NumKeys: return run.key.shape[2];
    case SymbolKind::QueryOffset: return run.queryOffset;
    case SymbolKind::Dim: return run.keyDims[index];
    case SymbolKind::HeadParam:
      return valueOf(formulas.parameters[mask][index], run.key.shape[2]);
    case SymbolKind::BatchInput: return int64_t(run.inputs[index].data[b]);
    case SymbolKind::HeadFormula: return formulas.formulaOf[mask];
    case SymbolKind::Batch: return b;
    case SymbolKind::HeadInput: return int64_t(run.inputs[index].data[h]);
    case SymbolKind::Span: break;
    }
    llvm_unreachable("spans are head parameters");
  }

  TileMap mapOf(int64_t b, int64_t h) {
    const Formula &formula = formulas.formulas[formulas.formulaOf[op.getMaskOfHead()[h]]];
    std::vector<int64_t> values;
    for (const Symbol &s : formula.symbols)
      values.push_back(symbol(s.kind, s.index, b, h));
    return inputs.makeMap(formula, values, b, h);
  }

  //===--- Values ---------------------------------------------------------===//

  /// Constants may have been hoisted to the function.
  Datum &get(Value value) {
    auto constant = value.getDefiningOp<arith::ConstantOp>();
    if (constant && !values.contains(value))
      scalarOp(*constant);
    return values[value];
  }
  int64_t integer(Value value) { return int64_t(get(value)[0]); }
  void set(Value value, Datum datum) { values[value] = std::move(datum); }
  void bind(Block &block, ArrayRef<double> scalars) {
    for (auto [argument, scalar] : llvm::zip(block.getArguments(), scalars))
      set(argument, {scalar});
  }
  static int64_t rowsOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(0); }
  static int64_t columnsOf(Value value) {
    return cast<RankedTensorType>(value.getType()).getDimSize(1);
  }

  /// Coordinates of row `row` of tile number `tile`, and whether the layout has them.
  bool rowOf(int64_t tile, int64_t row, bool query, Coords &coords) {
    bool inside = true;
    coords = {};
    for (int d = geometry.rank - 1; d >= 0; --d) {
      int64_t tiles = query ? geometry.queryTiles(d) : geometry.keyTiles(d);
      int64_t extent = query ? geometry.queryTile[d] : geometry.keyTile[d];
      coords[d] = tile % tiles * extent + row % extent;
      tile /= tiles;
      row /= extent;
      inside &= coords[d] < (query ? geometry.queries[d] : geometry.keys[d]);
    }
    return inside && (!geometry.bounded ||
                      linear(coords, query) < (query ? geometry.numQueries : geometry.numKeys));
  }
  int64_t linear(const Coords &coords, bool query) {
    int64_t position = 0;
    for (int d = 0; d < geometry.rank; ++d)
      position = position * (query ? geometry.queries[d] : geometry.keys[d]) + coords[d];
    return position;
  }

  //===--- Ops ------------------------------------------------------------===//

  /// Runs a block; returns the operands of its terminator.
  SmallVector<Datum> runBlock(Block &block) {
    for (Operation &inner : block) {
      if (isa<tile::YieldOp>(inner))
        return llvm::map_to_vector(inner.getOperands(), [&](Value v) { return get(v); });
      runOp(inner);
    }
    return {};
  }

  void runOp(Operation &inner) {
    TypeSwitch<Operation *>(&inner)
        .Case([&](tile::LoadOp o) { load(o); })
        .Case([&](tile::InitOp o) { init(o); })
        .Case([&](tile::ForKeysOp o) { forKeys(o); })
        .Case([&](tile::ScoresOp o) { scores(o); })
        .Case([&](tile::ScoreOp o) { score(o); })
        .Case([&](tile::MaskOp o) { mask(o); })
        .Case([&](tile::SoftmaxOp o) { softmax(o); })
        .Case([&](tile::AccumulateOp o) { accumulate(o); })
        .Case([&](tile::FinishOp o) { finish(o); })
        .Case([&](tile::SymbolOp o) { readSymbol(o); })
        .Case([&](tile::TableOp o) { readTable(o); })
        .Default([&](Operation *o) { scalarOp(*o); });
  }

  const Array &arrayOf(Value tensor) {
    if (tensor == op.getQuery())
      return run.query;
    return tensor == op.getKey() ? run.key : run.value;
  }

  void load(tile::LoadOp o) {
    const Array &source = arrayOf(o.getSource());
    int64_t rows = rowsOf(o.getResult()), width = columnsOf(o.getResult());
    int64_t first = (integer(o.getBatch()) * source.shape[1] + integer(o.getHead())) *
                    source.shape[2];
    Datum tile(rows * width, 0.0);
    Coords coords;
    for (int64_t r = 0; r < rows; ++r) {
      if (!rowOf(integer(o.getTile()), r, o.getQuery(), coords))
        continue;
      int64_t row = first + linear(coords, o.getQuery());
      std::copy_n(source.data.begin() + row * width, width, tile.begin() + r * width);
    }
    set(o.getResult(), std::move(tile));
  }

  void init(tile::InitOp o) {
    Datum max(rowsOf(o.getMax()), -kInf), sum(rowsOf(o.getSum()), 0.0);
    for (int64_t r = 0; !o.getFormulas().empty() && r < int64_t(sum.size()); ++r) {
      Coords q;
      if (!rowOf(integer(o.getTile()), r, true, q))
        continue;
      Block &formula = o.getFormulas()[integer(o.getFormula())].front();
      SmallVector<double> arguments{get(o.getBatch())[0], get(o.getHead())[0]};
      arguments.append(q.begin(), q.begin() + geometry.rank);
      bind(formula, arguments);
      if (double zeroKeys = runBlock(formula)[0][0]; zeroKeys > 0)
        max[r] = 0, sum[r] = zeroKeys;
    }
    set(o.getAcc(), Datum(rowsOf(o.getAcc()) * columnsOf(o.getAcc()), 0.0));
    set(o.getMax(), std::move(max));
    set(o.getSum(), std::move(sum));
  }

  void forKeys(tile::ForKeysOp o) {
    std::vector<KeyBox> boxes;
    currentMap->boxes(integer(o.getTile()), boxes);
    SmallVector<Datum> state{get(o.getAcc()), get(o.getMax()), get(o.getSum())};
    Block &body = o.getBody().front();
    auto visit = [&](int64_t tile, const KeyBox &box) {
      ++run.tilesVisited;
      run.tilesPartial += !box.full;
      bind(body, {double(tile), double(!box.full), double(box.listed)});
      for (int i = 0; i < 3; ++i)
        set(body.getArgument(3 + i), state[i]);
      state = runBlock(body);
    };
    for (const KeyBox &box : boxes)
      for (int64_t x = box.lo[0]; x < box.hi[0]; ++x)
        for (int64_t y = box.lo[1]; y < box.hi[1]; ++y)
          for (int64_t z = box.lo[2]; z < box.hi[2]; ++z)
            for (int64_t w = box.lo[3]; w < box.hi[3]; ++w)
              visit(((x * geometry.keyTiles(1) + y) * geometry.keyTiles(2) + z) *
                            geometry.keyTiles(3) + w,
                    box);
    for (int i = 0; i < 3; ++i)
      set(o.getResult(i), state[i]);
  }

  void scores(tile::ScoresOp o) {
    const Datum &q = get(o.getQuery()), &k = get(o.getKey());
    int64_t rows = rowsOf(o.getResult()), columns = columnsOf(o.getResult());
    int64_t depth = columnsOf(o.getQuery());
    double scale = o.getScale().convertToDouble();
    Datum s(rows * columns);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (int64_t d = 0; d < depth; ++d)
          sum += q[i * depth + d] * k[j * depth + d];
        s[i * columns + j] = scale * sum;
      }
    set(o.getResult(), std::move(s));
  }

  void score(tile::ScoreOp o) {
    Datum s = get(o.getScores());
    int64_t columns = columnsOf(o.getResult());
    Block &body = o.getBody().front();
    Coords q, k;
    for (size_t i = 0; i < s.size(); ++i) {
      if (!rowOf(integer(o.getTile()), i / columns, true, q) ||
          !rowOf(integer(o.getKeyTile()), i % columns, false, k))
        continue;
      bind(body, {s[i], get(o.getBatch())[0], get(o.getHead())[0], double(linear(q, true)),
                  double(linear(k, false))});
      s[i] = runBlock(body)[0][0];
    }
    set(o.getResult(), std::move(s));
  }

  void mask(tile::MaskOp o) {
    Datum s = get(o.getScores());
    if (integer(o.getPartial())) {
      int64_t columns = columnsOf(o.getResult());
      Block &formula = o.getFormulas()[integer(o.getFormula())].front();
      Coords q, k;
      for (size_t i = 0; i < s.size(); ++i) {
        // Query rows outside the layout are computed and dropped: what they see does not matter.
        if (!rowOf(integer(o.getTile()), i / columns, true, q))
          continue;
        rowOf(integer(o.getKeyTile()), i % columns, false, k);
        SmallVector<double> arguments{get(o.getBatch())[0], get(o.getHead())[0]};
        arguments.append(q.begin(), q.begin() + geometry.rank);
        arguments.append(k.begin(), k.begin() + geometry.rank);
        arguments.push_back(get(o.getListed())[0]);
        bind(formula, arguments);
        if (runBlock(formula)[0][0] == 0)
          s[i] = -kInf;
      }
    }
    set(o.getResult(), std::move(s));
  }

  void softmax(tile::SoftmaxOp o) {
    Datum p = get(o.getScores()), acc = get(o.getAcc()), max = get(o.getMax()), sum = get(o.getSum());
    int64_t columns = columnsOf(o.getScores()), width = columnsOf(o.getAcc());
    for (size_t i = 0; i < max.size(); ++i) {
      double now = max[i];
      for (int64_t j = 0; j < columns; ++j)
        now = std::max(now, p[i * columns + j]);
      double rescale = now == -kInf ? 1 : std::exp(max[i] - now), added = 0;
      for (int64_t j = 0; j < columns; ++j) {
        double &s = p[i * columns + j];
        s = s == -kInf ? 0 : std::exp(s - now);
        added += s;
      }
      for (int64_t d = 0; d < width; ++d)
        acc[i * width + d] *= rescale;
      sum[i] = sum[i] * rescale + added;
      max[i] = now;
    }
    set(o.getWeights(), std::move(p));
    set(o.getAccResult(), std::move(acc));
    set(o.getMaxResult(), std::move(max));
    set(o.getSumResult(), std::move(sum));
  }

  void accumulate(tile::AccumulateOp o) {
    const Datum &p = get(o.getWeights()), &v = get(o.getValue());
    Datum acc = get(o.getAcc());
    int64_t depth = columnsOf(o.getWeights()), width = columnsOf(o.getAcc());
    for (int64_t i = 0; i < rowsOf(o.getAcc()); ++i)
      for (int64_t j = 0; j < depth; ++j)
        for (int64_t d = 0; d < width; ++d)
          acc[i * width + d] += p[i * depth + j] * v[j * width + d];
    set(o.getResult(), std::move(acc));
  }

  void finish(tile::FinishOp o) {
    Block &body = op.getBody().front();
    int64_t b = integer(body.getArgument(0)), h = integer(body.getArgument(1));
    int64_t t = integer(body.getArgument(2)), width = columnsOf(o.getAcc());
    const Datum &acc = get(o.getAcc()), &max = get(o.getMax()), &sum = get(o.getSum());
    Coords coords;
    for (int64_t r = 0; r < int64_t(max.size()); ++r) {
      if (!rowOf(t, r, true, coords))
        continue;
      int64_t row = (b * run.query.shape[1] + h) * run.query.shape[2] + linear(coords, true);
      run.lse.data[row] = sum[r] == 0 ? -kInf : max[r] + std::log(sum[r]);
      for (int64_t d = 0; d < width; ++d)
        run.output.data[row * width + d] = sum[r] == 0 ? 0 : acc[r * width + d] / sum[r];
    }
  }

  void readSymbol(tile::SymbolOp o) {
    int64_t b = integer(o.getBatch()), h = integer(o.getHead());
    // As a launch clamps them.
    int64_t value = symbol(static_cast<SymbolKind>(o.getKind()), o.getIndex(), b, h);
    set(o.getResult(), {double(std::clamp(value, -kKernelInfinity, kKernelInfinity))});
  }

  void readTable(tile::TableOp o) {
    set(o.getResult(), {double(inputs.tables()[o.getIndex()].at(integer(o.getQuery())))});
  }

  void scalarOp(Operation &o);

  tile::AttentionOp op;
  TileRun &run;
  ParameterizedFormulas formulas;
  TileGeometry geometry;
  std::deque<std::vector<int32_t>> integers; ///< what the views point to
  std::deque<std::vector<uint8_t>> flags;
  MapInputs inputs;
  const TileMap *currentMap = nullptr;
  DenseMap<Value, Datum> values;
};

bool compare(arith::CmpIPredicate predicate, int64_t a, int64_t b) {
  switch (predicate) {
  case arith::CmpIPredicate::eq: return a == b;
  case arith::CmpIPredicate::ne: return a != b;
  case arith::CmpIPredicate::slt: return a < b;
  case arith::CmpIPredicate::sle: return a <= b;
  case arith::CmpIPredicate::sgt: return a > b;
  case arith::CmpIPredicate::sge: return a >= b;
  default: llvm_unreachable("regions compare signed numbers");
  }
}

void Interpreter::scalarOp(Operation &o) {
  if (auto constant = dyn_cast<arith::ConstantOp>(o)) {
    double value = 0;
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
      value = integer.getType().isInteger(1) ? double(!integer.getValue().isZero())
                                             : double(integer.getInt());
    else
      value = cast<FloatAttr>(constant.getValue()).getValueAsDouble();
    return set(o.getResult(0), {value});
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(o)) {
    const Array &input = run.inputs[llvm::find(op.getInputs(), extract.getTensor()) -
                                    op.getInputs().begin()];
    int64_t offset = 0;
    for (auto [d, index] : llvm::enumerate(extract.getIndices()))
      offset = offset * input.shape[d] +
               std::clamp<int64_t>(integer(index), 0, input.shape[d] - 1);
    return set(o.getResult(0), {input.data[offset]});
  }
  auto in = [&](unsigned i) { return get(o.getOperand(i))[0]; };
  auto whole = [&](unsigned i) { return int64_t(in(i)); };
  double result =
      TypeSwitch<Operation *, double>(&o)
          .Case<arith::AddIOp, arith::AddFOp>([&](auto) { return in(0) + in(1); })
          .Case<arith::SubIOp, arith::SubFOp>([&](auto) { return in(0) - in(1); })
          .Case<arith::MulIOp, arith::MulFOp>([&](auto) { return in(0) * in(1); })
          .Case<arith::DivSIOp, arith::DivUIOp>([&](auto) { return whole(0) / whole(1); })
          .Case<arith::RemUIOp>([&](auto) { return whole(0) % whole(1); })
          .Case<arith::DivFOp>([&](auto) { return in(0) / in(1); })
          .Case<arith::MinSIOp>([&](auto) { return std::min(in(0), in(1)); })
          .Case<arith::MaxSIOp>([&](auto) { return std::max(in(0), in(1)); })
          .Case<arith::AndIOp>([&](auto) { return whole(0) & whole(1); })
          .Case<arith::OrIOp>([&](auto) { return whole(0) | whole(1); })
          .Case<arith::XOrIOp>([&](auto) { return whole(0) ^ whole(1); })
          .Case<arith::ExtUIOp, arith::IndexCastOp, arith::SIToFPOp>([&](auto) { return in(0); })
          .Case<arith::SelectOp>([&](auto) { return in(0) ? in(1) : in(2); })
          .Case<arith::CmpIOp>(
              [&](auto c) { return compare(c.getPredicate(), whole(0), whole(1)); })
          .Case<math::TanhOp>([&](auto) { return std::tanh(in(0)); })
          .Default([&](Operation *other) -> double {
            llvm::report_fatal_error("the interpreter does not know '" +
                                     other->getName().getStringRef() + "'");
          });
  set(o.getResult(0), {result});
}

} // namespace

void interpret(tile::AttentionOp op, TileRun &run) {
  const std::vector<int64_t> &q = run.query.shape;
  int64_t width = run.value.shape[3];
  run.output = {{q[0], q[1], q[2], width}, std::vector<double>(q[0] * q[1] * q[2] * width, NAN)};
  run.lse = {{q[0], q[1], q[2]}, std::vector<double>(q[0] * q[1] * q[2], NAN)};
  Interpreter(op, run).runAll();
}

} // namespace attn::test
