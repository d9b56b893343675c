#include "simulator/time/Fit.h"

#include "simulator/time/EndToEndRows.h"
#include "simulator/time/LinearAlgebra.h"

#include <algorithm>
#include <cmath>

namespace attn {

namespace {

/// The fit in coordinates x of [0, 1]: positions of the constants within their ranges.
class LeastSquares {
public:
  LeastSquares(const Machine &start, const std::vector<Observation> &data,
               std::vector<Constant> constants)
      : machine(start), data(data), constants(std::move(constants)) {}

  size_t size() const { return constants.size(); }
  std::vector<double> startingPoint() const;
  Machine at(const std::vector<double> &x) const;
  /// In standard deviations.
  std::vector<double> residuals(const std::vector<double> &x) const;
  std::vector<std::vector<double>>
  jacobian(const std::vector<double> &x) const; ///< [observation][constant]
  std::vector<double> minimise(std::vector<double> x) const;

private:
  const Machine &machine;
  const std::vector<Observation> &data;
  std::vector<Constant> constants;
};

double sumOfSquares(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value * value;
  return sum;
}

std::vector<double> LeastSquares::startingPoint() const {
  std::vector<double> x;
  for (Constant c : constants) {
    const ConstantValue &v = machine.constants[size_t(c)];
    x.push_back((v.value - v.low) / (v.high - v.low));
  }
  return x;
}

Machine LeastSquares::at(const std::vector<double> &x) const {
  Machine m = machine;
  for (size_t i = 0; i < x.size(); ++i) {
    ConstantValue &v = m.constants[size_t(constants[i])];
    v.value = v.low + x[i] * (v.high - v.low);
  }
  return m;
}

std::vector<double> LeastSquares::residuals(const std::vector<double> &x) const {
  Machine m = at(x);
  std::vector<double> r;
  for (const Observation &o : data)
    r.push_back(std::log(o.predict(m) / o.value) / o.error);
  return r;
}

std::vector<std::vector<double>> LeastSquares::jacobian(const std::vector<double> &x) const {
  std::vector<std::vector<double>> j(data.size(), std::vector<double>(x.size()));
  constexpr double kStep = 1e-4;
  for (size_t i = 0; i < x.size(); ++i) {
    std::vector<double> lower = x, upper = x;
    lower[i] = std::max(0.0, x[i] - kStep);
    upper[i] = std::min(1.0, x[i] + kStep);
    std::vector<double> below = residuals(lower), above = residuals(upper);
    for (size_t k = 0; k < data.size(); ++k)
      j[k][i] = (above[k] - below[k]) / (upper[i] - lower[i]);
  }
  return j;
}

SquareMatrix normalMatrix(const std::vector<std::vector<double>> &j, size_t n) {
  SquareMatrix a(n);
  for (const std::vector<double> &row : j)
    for (size_t i = 0; i < n; ++i)
      for (size_t k = 0; k < n; ++k)
        a(i, k) += row[i] * row[k];
  return a;
}

/// Levenberg and Marquardt; steps end at the ranges, and what presses against an end stays there.
std::vector<double> LeastSquares::minimise(std::vector<double> x) const {
  std::vector<double> r = residuals(x);
  double damping = 1e-3;
  for (int iteration = 0; iteration < 200 && damping < 1e12; ++iteration) {
    auto j = jacobian(x);
    SquareMatrix a = normalMatrix(j, size());
    std::vector<double> downhill(size());
    for (size_t i = 0; i < size(); ++i) {
      for (size_t k = 0; k < r.size(); ++k)
        downhill[i] -= j[k][i] * r[k];
      if ((x[i] <= 0 && downhill[i] < 0) || (x[i] >= 1 && downhill[i] > 0)) {
        downhill[i] = 0;
        for (size_t k = 0; k < size(); ++k)
          a(i, k) = a(k, i) = 0;
      }
    }
    for (size_t i = 0; i < size(); ++i)
      a(i, i) += damping * (a(i, i) + 1e-9) + 1e-12;
    std::vector<double> step = solve(a, downhill), next = x;
    for (size_t i = 0; i < size(); ++i)
      next[i] = std::clamp(x[i] + step[i], 0.0, 1.0);
    std::vector<double> better = residuals(next);
    double gain = sumOfSquares(r) - sumOfSquares(better);
    if (gain <= 0) {
      damping *= 4;
      continue;
    }
    bool isDone = gain < 1e-10 * (sumOfSquares(r) + 1e-12);
    x = std::move(next);
    r = std::move(better);
    damping = std::max(damping / 3, 1e-9);
    if (isDone)
      break;
  }
  return x;
}

/// Directions in which the data hardly change. Constants that nothing depends on are told by
/// themselves.
void findUndetermined(const SquareMatrix &normal, const std::vector<Constant> &constants,
                      FitReport &report) {
  EigenSystem eigen = eigenSystem(normal);
  for (size_t i = 0; i < normal.n; ++i) {
    double singular = std::sqrt(std::max(0.0, eigen.values[i]));
    if (singular >= 1)
      continue;
    Undetermined u{singular, {}};
    for (size_t k = 0; k < normal.n; ++k)
      if (std::abs(eigen.vectors(k, i)) > 0.2)
        u.weights.push_back({constants[k], eigen.vectors(k, i)});
    std::sort(u.weights.begin(), u.weights.end(),
              [](auto &a, auto &b) { return std::abs(a.second) > std::abs(b.second); });
    report.undetermined.push_back(std::move(u));
  }
}

/// With each constant known beforehand to half of its range, which keeps the matrix regular.
SquareMatrix covariance(SquareMatrix normal) {
  for (size_t i = 0; i < normal.n; ++i)
    normal(i, i) += 4;
  SquareMatrix inverse(normal.n);
  for (size_t i = 0; i < normal.n; ++i) {
    std::vector<double> unit(normal.n, 0.0);
    unit[i] = 1;
    std::vector<double> column = solve(normal, unit);
    for (size_t k = 0; k < normal.n; ++k)
      inverse(k, i) = column[k];
  }
  return inverse;
}

std::vector<Constant> constantsWithRange(const Machine &machine,
                                         const std::vector<Constant> &which) {
  std::vector<Constant> list;
  for (size_t i = 0; i < kNumConstants; ++i) {
    const ConstantValue &v = machine.constants[i];
    bool isWanted =
        which.empty() || std::find(which.begin(), which.end(), Constant(i)) != which.end();
    if (isWanted && v.high > v.low && !constantInfos()[i].whole)
      list.push_back(Constant(i));
  }
  return list;
}

double rms(const std::vector<Observation> &data, const Machine &machine) {
  double sum = 0;
  for (const Observation &o : data)
    sum += std::pow(std::log(o.predict(machine) / o.value), 2);
  return std::sqrt(sum / double(data.size()));
}

} // namespace

Expected<FitReport> fitObservations(const Machine &start, std::vector<Observation> observations,
                                    const std::vector<Constant> &which) {
  if (observations.empty())
    return makeError("no measurement says anything of the constants of '{}'", start.name)
        .withNote("names are those of bench/gpu/calibrate.py, for example 'HBM read bandwidth'");
  for (const Observation &o : observations)
    if (!(o.predict(start) > 0 && o.value > 0))
      return makeError("'{}' is {} and predicted as {}, but both must be positive", o.name, o.value,
                       o.predict(start));
  std::vector<Constant> constants = constantsWithRange(start, which);
  if (constants.empty())
    return makeError("no constant of '{}' has a range to be fitted in", start.name)
        .withNote("'low' and 'high' of a constant in a machine file are its range");
  FitReport report;
  LeastSquares problem(start, observations, constants);
  std::vector<double> x = problem.minimise(problem.startingPoint());
  report.machine = problem.at(x);
  SquareMatrix normal = normalMatrix(problem.jacobian(x), constants.size());

  std::vector<Constant> touched;
  std::vector<size_t> index;
  SquareMatrix spread = covariance(normal);
  for (size_t i = 0; i < constants.size(); ++i) {
    const ConstantValue &v = start.constants[size_t(constants[i])];
    bool isTouched = normal(i, i) > 1e-12;
    report.constants.push_back({constants[i], v.value, report.machine[constants[i]],
                                std::sqrt(spread(i, i)) * (v.high - v.low), isTouched,
                                isTouched && (x[i] < 1e-6 || x[i] > 1 - 1e-6)});
    if (!isTouched)
      continue;
    touched.push_back(constants[i]);
    index.push_back(i);
  }
  SquareMatrix ofTouched(touched.size());
  for (size_t i = 0; i < index.size(); ++i)
    for (size_t k = 0; k < index.size(); ++k)
      ofTouched(i, k) = normal(index[i], index[k]);
  findUndetermined(ofTouched, touched, report);
  for (size_t i = 0; i < index.size(); ++i)
    for (size_t k = i + 1; k < index.size(); ++k) {
      double r = spread(index[i], index[k]) /
                 std::sqrt(spread(index[i], index[i]) * spread(index[k], index[k]));
      if (std::abs(r) >= 0.9)
        report.correlations.push_back({touched[i], touched[k], r});
    }
  report.rmsBefore = rms(observations, start);
  report.rmsAfter = rms(observations, report.machine);
  for (const Observation &o : observations)
    report.predicted.push_back(o.predict(report.machine));
  report.used = std::move(observations);
  return report;
}

Expected<FitReport> fitMachine(const Machine &start, const std::vector<Measurement> &measurements,
                               const std::vector<Measurement> &rows) {
  std::vector<Observation> observations;
  std::vector<std::string> ignored;
  for (const Measurement &m : measurements) {
    if (!predictMeasurement(start, m.name)) {
      ignored.push_back(m.name);
      continue;
    }
    observations.push_back({m.name, m.value, m.error, [name = m.name](const Machine &machine) {
                              return predictMeasurement(machine, name).value_or(0);
                            }});
  }
  for (const Measurement &m : rows) {
    Expected<EndToEndRow> row = parseEndToEndRow(m.name);
    if (!row)
      return row.takeError();
    observations.push_back({m.name, m.value, m.error, [row = *row](const Machine &machine) {
                              return predictRow(machine, row);
                            }});
  }
  Expected<FitReport> report = fitObservations(start, std::move(observations));
  if (report)
    report->ignored = std::move(ignored);
  return report;
}

} // namespace attn
