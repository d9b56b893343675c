//===- Schedule.h - when the last of many tiles ends -------------*- C++ -*-===//
#pragma once

#include "simulator/time/KernelShape.h"

#include <vector>

namespace attn {

/// `count` tiles that take `cost` each.
struct Job {
  double cost = 0;
  int64_t count = 0;
};

/// List scheduling, exactly, in time that grows with the classes and not with the tiles: each tile
/// goes to the worker that is free first, in the order of the list, or longest first.
double makespan(std::vector<Job> jobs, int64_t workers, Order order);
/// The same tile by tile, with a heap of the workers.
double makespanByHeap(std::vector<Job> jobs, int64_t workers, Order order);

/// At most so many classes with the same number of tiles and the same sum, each the mean of its
/// members.
std::vector<Job> coarsened(std::vector<Job> jobs, size_t classes);

} // namespace attn
