"""The packages of the bundle: are they right, and how fast are they."""
import json
import time

import attnc
import cuda
import reference
from problem import CudaPlaces, HostPlaces, Problem, tokens_of

FLUSH_BYTES, SMALL_FLUSH_BYTES = 256 << 20, 1 << 20
EMULATOR_OPTIONS = {"mode": "random", "seed": 1, "profile": True}


def cases_of(ctx):
    """The cases that this run looks at: quick runs take the small ones, others leave them out."""
    cases = json.loads((ctx.bundle / "bench/gpu/specs/cases.json").read_text())
    return [case for case in cases if bool(case.get("quick")) == ctx.quick]


def package_path(ctx, spec):
    return ctx.bundle / "packages" / f"{spec}.attnpkg"


def why_absent(ctx, spec):
    """What the packing machine said of a spec it could not compile."""
    return ctx.manifest.get("refused", {}).get(spec, "the bundle has no such package")


def open_device(ctx):
    runtime = attnc.Runtime(ctx.library)
    if ctx.device == "emulator":
        return runtime, runtime.device("emulator", EMULATOR_OPTIONS)
    return runtime, runtime.device("cuda", {"library": ctx.driver_library} if ctx.driver_library else None)


def places_of(ctx, problem):
    return HostPlaces(problem) if ctx.device == "emulator" else CudaPlaces(problem, ctx.driver)


class Prepared:
    """A case's kernel, loaded, and a plan over fresh inputs."""

    def __init__(self, ctx, runtime, device, case, seed):
        self.ctx, self.case, self.device = ctx, case, device
        self.package = runtime.open(package_path(ctx, case["spec"]))
        self.kernel = runtime.load(self.package, device)
        self.problem = Problem(case, seed)
        self.places = places_of(ctx, self.problem)
        self.places.poison()
        self.plan = runtime.plan(self.kernel, **self.places.tensors, inputs=self.places.inputs, tokens=case["tokens"],
                                 kv_tokens=case["kv_tokens"])

    def run(self):
        self.plan.launch()
        self.device.synchronize()

    def close(self):
        self.plan.close()
        self.kernel.close()
        self.places.close()


def is_fatal(ctx, error):
    """Whether the context is lost, so that this process has to be left."""
    if isinstance(error, cuda.CudaError):
        return error.fatal
    return ctx.device == "cuda" and isinstance(error, attnc.Error) and error.status == 5


def each_case(ctx, section, work):
    """work(runtime, device, case) -> (status, fields) for every case, a row each."""
    runtime, device = open_device(ctx)
    ctx.results.set(runtime={"version": runtime.version(), "device": device.json()})
    for case in cases_of(ctx):
        if ctx.expired():
            return
        if not ctx.results.begin(section, case["name"], spec=case["spec"]):
            continue
        if not package_path(ctx, case["spec"]).exists():
            ctx.results.end(section, case["name"], "skipped", reason=why_absent(ctx, case["spec"]))
            continue
        begun = time.monotonic()
        try:
            status, fields = work(runtime, device, case)
            ctx.results.end(section, case["name"], status, seconds=round(time.monotonic() - begun, 3), **fields)
        except (attnc.Error, cuda.CudaError, MemoryError, ValueError) as error:
            ctx.results.end(section, case["name"], "failed", reason=f"{type(error).__name__}: {error}")
            if is_fatal(ctx, error):
                raise SystemExit(3)


def correctness(ctx):
    maths = reference.best_math(ctx.device)

    def work(runtime, device, case):
        seed = ctx.fresh_seed()
        prepared = Prepared(ctx, runtime, device, case, seed)
        try:
            prepared.run()
            plan, kernel = plan_facts(prepared.plan), prepared.kernel.json()
            prepared.places.fetch()
            expected = reference.reference(prepared.problem, maths)
            found = reference.compare(prepared.problem, expected)
        finally:
            prepared.close()
        ok = found.pop("ok")
        pairs = found["visible_pairs"]
        fields = {"seed": seed, "reference": maths.name, **found, "plan": plan, "kernel": kernel,
                  "pairs_agree": None if pairs is None else pairs == plan.get("visible_pairs")}
        return "ok" if ok else "wrong", fields

    each_case(ctx, "correctness", work)


def needed_flops(case, plan):
    """Of the forward pass over visible pairs: 2 d for the score, 2 d for the value."""
    return 4.0 * plan["visible_pairs"] * case["head_dim"]


def dense_partner(case, cases):
    """The dense package of the same type and width, at as many tokens; None where there is none."""
    nq, nk = tokens_of(case["tokens"]), tokens_of(case["kv_tokens"])
    for other in cases:
        if (other["mask"]["kind"] == "dense" and nq == nk and case["mask"]["kind"] != "dense"
                and all(other[key] == case[key] for key in ("dtype", "head_dim", "heads", "kv_heads", "batch"))):
            return {**other, "tokens": [nq], "kv_tokens": [nk], "name": f"dense {case['dtype']} d{case['head_dim']} {nq}"}
    return None


def instruction_counts(plan):
    """Warp instructions by class that the emulator counted, over the kernels of a launch; the profile's lines, which say
    where, stay behind."""
    counts = {}
    for profile in plan.pop("profile", None) or []:
        for name, count in ((profile or {}).get("instructions") or {}).items():
            counts[name] = counts.get(name, 0) + count
    plan.pop("profile_text", None)
    return counts


def plan_facts(plan):
    """What the runtime says of a plan, without an emulator's profile."""
    found = plan.json()
    instruction_counts(found)
    return found


def measure(ctx, runtime, device, case):
    """Milliseconds on a GPU; on the emulator instructions."""
    prepared = Prepared(ctx, runtime, device, case, ctx.fresh_seed())
    try:
        begun = time.monotonic()
        prepared.run()
        first_ms = 1e3 * (time.monotonic() - begun)
        fields = {}
        if ctx.device == "emulator":
            fields["instructions"] = instruction_counts(prepared.plan.json())
            fields["not_timed"] = "an emulator's instruction counts stand in for times"
        else:
            flush = ctx.flush_buffer(SMALL_FLUSH_BYTES if ctx.quick else FLUSH_BYTES)
            times = cuda.time_launches(ctx.driver, lambda: prepared.plan.launch(ctx.stream), ctx.stream, warmup=3,
                                       repeats=25, flush=flush, budget_s=2.0)
            fields |= cuda.summary(times) | {"first_ms": first_ms}
        return fields, plan_facts(prepared.plan), prepared.kernel.json()
    finally:
        prepared.close()


def with_rates(fields, case, plan, dense_ms):
    flops = needed_flops(case, plan)
    fields["needed_flops"] = flops
    bound = plan["all_tiles"] / plan["visited_tiles"] if plan.get("visited_tiles") else None
    fields["tile_bound"] = bound
    ms = fields.get("median_ms")
    fields["tflops"] = flops / ms / 1e9 if ms else None
    speed_up = dense_ms / ms if ms and dense_ms else None
    fields["speed_up_over_dense"] = speed_up
    fields["fraction_of_tile_bound"] = speed_up / bound if speed_up and bound else None
    return fields


def prediction(ctx, name):
    """What the simulator said of the case when the bundle was packed, of a kernel as packages hold it."""
    path = ctx.bundle / "predictions" / (name.replace(" ", "_") + ".json")
    found = json.loads(path.read_text()) if path.exists() else None
    result = {"counts": found and {key: value for key, value in found["total"].items() if key != "bounds"},
              "bounds": found and found["total"]["bounds"], "milliseconds": None}
    model = ctx.driver.facts()["name"].lower() if ctx.device == "cuda" else "emulator"
    times = found["times"] if found else {}
    gpu = next((gpu for gpu in times if gpu in model), None)
    if gpu is None:
        return result | {"why_no_milliseconds": f"the simulator was asked for {', '.join(times) or 'nothing'}; this is '{model}'"}
    sparse = times[gpu]["sparse"]
    return result | {"gpu": gpu, "milliseconds": sparse["us"] / 1e3, "milliseconds_low": sparse["us_low"] / 1e3,
                     "milliseconds_high": sparse["us_high"] / 1e3, "limiter": sparse["limiter"],
                     "speed_up_over_dense": times[gpu]["speed_up_over_dense"]}


def timing(ctx):
    all_cases = json.loads((ctx.bundle / "bench/gpu/specs/cases.json").read_text())
    dense_times = {}

    def dense_ms(runtime, device, case):
        partner = dense_partner(case, all_cases)
        if ctx.device == "emulator" or partner is None or not package_path(ctx, partner["spec"]).exists():
            return None
        if partner["name"] not in dense_times:
            dense_times[partner["name"]] = measure(ctx, runtime, device, partner)[0]["median_ms"]
        return dense_times[partner["name"]]

    def work(runtime, device, case):
        fields, plan, kernel = measure(ctx, runtime, device, case)
        dense = dense_ms(runtime, device, case)
        fields |= {"dense_ms": dense, "plan": plan, "kernel": kernel, "prediction": prediction(ctx, case["name"])}
        return "measured", with_rates(fields, case, plan, dense)

    each_case(ctx, "timing", work)
