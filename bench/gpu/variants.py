"""Packages of one case that differ in their tiles or in how their code was made: which is right, which is fastest.

A case's inputs are made once for all its variants, and a sample of the rows is compared with the reference.
"""
import json

import attnc
import cuda
import packages
import reference
from problem import Problem

ROWS = 64  # of each head, compared
REPEATS = 15


def variants_of(ctx):
    """{case name: [row of variants.json]}; a bundle for a rehearsal has none."""
    path = ctx.bundle / "variants.json"
    found = {}
    for row in json.loads(path.read_text()) if path.exists() else []:
        found.setdefault(row["case"], []).append(row)
    return found


class SampledMath:
    """A reference that looks at ROWS rows."""

    def __init__(self, maths, problem):
        batch, heads, _, _ = problem.q_shape
        self.maths, self.score_limit = maths, ROWS * batch * heads * problem.kv_shape[2]

    def __getattr__(self, name):
        return getattr(self.maths, name)


def variants(ctx):
    cases = {case["name"]: case for case in packages.cases_of(ctx)}
    maths = reference.best_math(ctx.device)
    runtime, device = packages.open_device(ctx)
    flush = ctx.flush_buffer(packages.FLUSH_BYTES)
    for name, rows in variants_of(ctx).items():
        if ctx.expired():
            return
        problem = Problem(cases[name], ctx.fresh_seed())
        places = packages.places_of(ctx, problem)
        expected = reference.reference(problem, SampledMath(maths, problem))
        try:
            for row in rows:
                if ctx.expired():
                    return
                one_variant(ctx, runtime, device, places, expected, row, flush)
        finally:
            places.close()


def one_variant(ctx, runtime, device, places, expected, row, flush):
    name = f"{row['case']} | {row['variant']}"
    if not ctx.results.begin("variants", name, case=row["case"], variant=row["variant"]):
        return
    try:
        kernel = runtime.load(runtime.open(ctx.bundle / "packages" / row["package"]), device)
        places.poison()
        case = places.problem.case
        plan = runtime.plan(kernel, **places.tensors, inputs=places.inputs, tokens=case["tokens"], kv_tokens=case["kv_tokens"])
        plan.launch()
        device.synchronize()
        places.fetch()
        found = reference.compare(places.problem, expected)
        times = cuda.time_launches(ctx.driver, lambda: plan.launch(ctx.stream), ctx.stream, warmup=2, repeats=REPEATS, flush=flush,
                                   budget_s=0.6)
        facts = packages.plan_facts(plan)
        fields = packages.with_rates(cuda.summary(times), case, facts, None)
        ctx.results.end("variants", name, "measured" if found["ok"] else "wrong", worst_of_allowed=found["worst_of_allowed"],
                        lse_of_allowed=found["lse_of_allowed"], plan=facts, kernel=kernel.json(), **fields,
                        **({} if found["ok"] else {"reason": "the output is not near enough"}))
        plan.close()
        kernel.close()
    except (attnc.Error, cuda.CudaError) as error:
        ctx.results.end("variants", name, "failed", reason=str(error))
        if packages.is_fatal(ctx, error):
            raise SystemExit(3)
