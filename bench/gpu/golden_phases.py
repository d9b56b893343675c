"""The phases that make golden data: single instructions, their comparison, tensor maps."""
import json
import struct
import time
from pathlib import Path

import compare
import cuda
import golden
import golden_inputs as gi
from results import write_atomically


def resumed(folder, name, forms):
    """A golden file with what an earlier process of this phase has saved, and the forms that are left."""
    file = golden.GoldenFile(folder, name)
    if file.index_path.exists():
        reader = golden.GoldenReader(file.index_path)
        file.rows, file.data = reader.index["forms"], bytearray(reader.data)
    done = {row["name"] for row in file.rows}
    if file.current_path.exists():
        killer = file.current_path.read_text()
        file.current_path.unlink()
        for form in forms:
            if form.name == killer and killer not in done:
                file.add(form, form.make_input(), b"", "the process ended or was killed while it ran", stage="launch")
                done.add(killer)
    return file, [form for form in forms if form.name not in done]


def one_side(ctx, side, run):
    """run(golden file, forms, on_progress): the outputs of one device, saved on the way."""
    forms = golden.chosen_forms(ctx.quick)
    file, left = resumed(ctx.out, f"golden-{side}", forms)
    row = ctx.results.find("instructions", side)
    if row and row["status"] == "measured":
        return
    begun = time.monotonic()
    facts = {"device": side if side == "emulator" else ctx.driver.facts()["name"]}
    ctx.results.begin("instructions", side)

    def save(_=0, status="running"):
        file.save(**facts)
        errors = [row for row in file.rows if "error" in row]
        stages = {}
        for row in errors:
            stages[row.get("stage", "?")] = stages.get(row.get("stage", "?"), 0) + 1
        ctx.results.end("instructions", side, status,
                        forms=len(forms), done=len(file.rows), without_output=len(errors), stages=stages,
                        examples=[f"{row['name']}: {row['error'].splitlines()[0][:160]}" for row in errors[:8]],
                        bytes=len(file.data), seconds=round(time.monotonic() - begun, 2))

    try:
        run(file, left, save)
    except cuda.CudaError:
        save()  # a new process goes on from here
        raise
    save(status="measured")


def instructions(ctx):
    if ctx.device == "cuda":
        before = time.monotonic() + ctx.left() - 15  # the emulator needs the rest
        one_side(ctx, "cuda", lambda file, forms, save: golden.run_on_cuda(ctx.driver, forms, file, before, save))
    one_side(ctx, "emulator", lambda file, forms, save: golden.run_on_emulator(
        ctx.program, forms, Path(ctx.out) / "emulator-jobs", file, save, timeout=max(10, ctx.left() - 5)))


def comparison(ctx):
    """The emulator against the hardware; a rehearsal has only the emulator, and compares it with itself."""
    emulator = golden.GoldenReader(ctx.out / "golden-emulator.json")
    other = ctx.out / "golden-cuda.json"
    hardware = golden.GoldenReader(other) if other.exists() else emulator
    rows = compare.compare_files(emulator, hardware)
    write_atomically(ctx.out / "comparison.json", (json.dumps({"a": "emulator", "b": hardware.index["device"],
                                                               "rows": rows}, indent=0) + "\n").encode())
    verdicts = {}
    for row in rows:
        verdicts[row["verdict"]] = verdicts.get(row["verdict"], 0) + 1
    different = [row for row in rows if row["verdict"] in ("DIFFERENT", "NaN differs")]
    ctx.results.set(comparison={"a": "emulator", "b": hardware.index["device"], "verdicts": verdicts,
                                "families": compare.by_family(rows), "different": different[:60],
                                "sums": [row for row in rows if row["rule"] == "sum"]})


# --- tensor maps -----------------------------------------------------------------------------------------------------

TYPES = ("u8", "u16", "u32", "s32", "u64", "s64", "f16", "f32", "f64", "bf16", "f32_ftz", "tf32", "tf32_ftz")
SIZES = dict(zip(TYPES, (1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4)))
BASE = {"type": 9, "address": 1 << 40, "sizes": [128, 4096, 16, 2, 3], "box": [64, 64, 1, 1, 1],
        "element_strides": [1, 1, 1, 1, 1], "interleave": 0, "swizzle": 3, "promotion": 2, "fill": 0, "padding": 0}


def with_rank(parameters, rank):
    """Lists cut to `rank`, and the strides in bytes of a contiguous tensor, each row `padding` bytes longer."""
    p = dict(parameters)
    for key in ("sizes", "box", "element_strides"):
        p[key] = parameters[key][:rank]
    p["strides"], step = [], SIZES[TYPES[p["type"]]]
    for size in p["sizes"][:-1]:
        step = (step * size + p["padding"] + 15) // 16 * 16
        p["strides"].append(step)
    return p


def map_parameters():
    """A sweep: one thing at a time from a base, then drawn ones. Some are invalid on purpose: their error is kept."""
    def varied(rank, **fields):
        return with_rank({**BASE, **fields}, rank)

    for rank in range(1, 6):
        yield varied(rank)
        for kind in range(len(TYPES)):
            yield varied(rank, type=kind, swizzle=0, box=[16, 8, 4, 2, 1])
    for rank in (2, 4):
        for swizzle in range(0, 7):
            for inner in (16, 32, 64, 128):
                yield varied(rank, swizzle=swizzle, box=[inner // 2, 8, 2, 1, 1])
        for interleave in range(3):
            for swizzle in range(4):
                yield varied(rank, interleave=interleave, swizzle=swizzle, box=[8, 8, 8, 1, 1])
        for promotion in range(4):
            yield varied(rank, promotion=promotion)
        for fill in range(2):
            yield varied(rank, fill=fill)
        for bit in range(4, 48):
            yield varied(rank, address=1 << bit)
        for bit in range(32):
            yield varied(rank, sizes=[1 << bit, 7, 5, 3, 1], swizzle=0)
            yield varied(rank, sizes=[64, 1 << bit, 5, 3, 1])
        for bit in range(4, 24):
            yield varied(rank, padding=1 << bit)
        for box in (1, 2, 3, 7, 8, 16, 31, 32, 100, 128, 255, 256, 257):
            yield varied(rank, box=[64, box, 1, 1, 1])
            yield varied(rank, box=[box, 1, 1, 1, 1], swizzle=0, type=0)
        for stride in range(1, 10):
            yield varied(rank, element_strides=[1, stride, 1, 1, 1])
            yield varied(rank, element_strides=[stride, 1, 1, 1, 1])
    words = gi.draw(20240607, 400 * 24)
    for i in range(400):
        w = [int(x) for x in words[24 * i:24 * i + 24]]
        yield varied(1 + w[0] % 5, type=w[1] % 13, address=(w[2] % (1 << 44)) // 16 * 16,
                     sizes=[1 + w[3 + d] % (1 << (4 + w[8 + d] % 12)) for d in range(5)],
                     box=[(1, 2, 4, 8, 16, 32, 64, 128)[w[13 + d] % (8 if d < 2 else 3)] for d in range(5)],
                     element_strides=[1 + (w[18] % 4 == 0) * (w[19] % 8)] + [1 + (w[20] % 4 == 0) * (w[21] % 8)] * 4,
                     swizzle=w[22] % 4, promotion=w[23] % 4, fill=w[23] // 4 % 2, padding=16 * (w[23] // 8 % 9))


def tensor_maps(ctx):
    rows, data = [], bytearray()
    for p in map_parameters():
        row = {key: p[key] for key in ("type", "address", "sizes", "strides", "box", "element_strides", "interleave",
                                       "swizzle", "promotion", "fill")}
        try:
            packed = ctx.driver.encode_tensor_map(p["address"], p["type"], p["sizes"], p["strides"], p["box"],
                                                  p["element_strides"], p["interleave"], p["swizzle"], p["promotion"],
                                                  p["fill"])
            row["offset"] = len(data)
            data += packed
        except cuda.CudaError as error:
            row["error"] = error.code
        except struct.error as error:
            row["error"] = str(error)
        rows.append(row)
    write_atomically(ctx.out / "tensor-maps.bin", bytes(data))
    write_atomically(ctx.out / "tensor-maps.json", (json.dumps({"format": 1, "driver": ctx.driver.facts()["driver_cuda_version"],
                                                                "types": TYPES, "maps": rows}, indent=0) + "\n").encode())
    errors = [row for row in rows if "error" in row]
    ctx.results.set(tensor_maps={"maps": len(rows), "encoded": len(rows) - len(errors), "refused": len(errors),
                                 "bytes": len(data)})
