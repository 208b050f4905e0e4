"""Kinds of picture files, whole and damaged, and what Pillow makes of them.

    python pictures.py OUTPUT_FOLDER          writes pictures.json and pictures.safetensors

Made with Python 3.11.7, pillow 12.3.0 (libjpeg-turbo 3.1.4.1, zlib-ng 2.3.3, libwebp 1.6.0), numpy 2.4.6,
safetensors 0.8.0, and cjpeg of libjpeg-turbo 2.1.5 for what pillow does not write (Debian's libjpeg-turbo-progs).
pillow 13.0.0 reads the same files and gives the same pixels; its words for three of the errors are others.

    file.NAME      u8 [bytes]      a whole file
    pixels.NAME    u8 [h, w, 3]    what pillow makes of it: `convert("RGB")`; absent where it reads nothing
    white.NAME     u8 [h, w, 3]    over white, as transformers 5.21.0 and later do it for CLIP; of transparent pictures

pictures.json has, of each case of damage, the file, which ranges of its bytes are kept, and pillow's verdict: `strict` by
default, `lenient` with LOAD_TRUNCATED_IMAGES. A verdict is the error's words, or the means of the picture's 4 x 4 parts, red,
green, blue. Each file is cut at twelve places, and has bytes missing at two places, three lengths each. No file here is other
than an ordinary one that a transfer has cut or torn: nothing crashes what reads it.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageFile
from safetensors.numpy import save_file

# What is cut and torn.
DAMAGED = ["jpeg", "jpeg_420", "jpeg_progressive", "png", "png_interlaced", "gif", "gif_animated", "bmp", "bmp_rle"]
DAMAGED += ["webp", "webp_lossless", "webp_alpha", "webp_animated"]


def picture(seed, width, height):
    few = np.random.default_rng(seed).integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), dtype=np.uint8)
    return Image.fromarray(few).resize((width, height), Image.BICUBIC)


def saved(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def jpegs(files):
    smooth = picture(1, 67, 45)
    files["jpeg"] = saved(smooth, "JPEG", quality=85, subsampling=0)
    files["jpeg_420"] = saved(smooth, "JPEG", quality=85, subsampling=2)
    files["jpeg_progressive"] = saved(smooth, "JPEG", quality=85, progressive=True)
    files["jpeg_grey"] = saved(smooth.convert("L"), "JPEG", quality=85)
    files["jpeg_cmyk"] = saved(smooth.convert("CMYK"), "JPEG", quality=85)

    def sampled(name, image, *options):
        out = subprocess.run(["cjpeg", "-quality", "90", *options], input=saved(image, "PPM"), capture_output=True, check=True)
        files[name] = out.stdout

    for name, sampling in [("440", "1x2"), ("411", "4x1"), ("311", "3x1"), ("cb_only", "2x2,2x1,1x2")]:
        sampled(f"jpeg_{name}", smooth, "-sample", sampling)
    for name, sampling in [("fine_both", "1x1,2x2,2x2"), ("fine_across", "1x1,2x1,2x1"), ("fine_down", "1x1,1x2,1x2")]:
        sampled(f"jpeg_{name}", smooth, "-sample", sampling)
    sampled("jpeg_restarts", smooth, "-restart", "1")
    sampled("jpeg_arithmetic", smooth, "-arithmetic")
    # One scan for each colour, or for both, and none of them progressive.
    for name, scans in [("separate", "0;\n1;\n2;\n"), ("separate_two", "0;\n1 2;\n")]:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(scans)
            file.flush()
            sampled(f"jpeg_{name}", smooth, "-sample", "2x2", "-scans", file.name)
    sampled("jpeg_narrow", picture(2, 3, 20), "-sample", "2x2")
    sampled("jpeg_narrow_444", picture(2, 3, 20), "-sample", "1x1")
    sampled("jpeg_one_wide", picture(2, 1, 20), "-sample", "2x2")
    sampled("jpeg_five_wide", picture(2, 5, 20), "-sample", "2x2")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, interlaced=False, end=True, extra=b""):
    """A PNG of 8-bit RGB, unfiltered."""
    height, width, _ = pixels.shape
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        for row in pixels[y::dy, x::dx]:
            rows += b"\0" + row.tobytes() if len(row) else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + body + (chunk(b"IEND", b"") if end else b"")


def pngs(files):
    noisy = picture(3, 40, 30)
    pixels = np.asarray(noisy)
    rgba = noisy.copy()
    rgba.putalpha(noisy.convert("L"))
    files["png"] = saved(noisy, "PNG")
    files["png_interlaced"] = png(pixels, interlaced=True)
    files["png_no_end"] = png(pixels, end=False)
    files["png_alpha"] = saved(rgba, "PNG")
    files["png_palette_alpha"] = saved(noisy.quantize(16), "PNG", transparency=bytes(range(0, 256, 16)))
    files["png_grey_key"] = saved(noisy.convert("L"), "PNG", transparency=80)
    files["png_rgb_key"] = png(pixels, extra=chunk(b"tRNS", struct.pack(">HHH", *(int(x) for x in pixels[3, 4]))))
    for bits in (1, 2, 4):
        files[f"png_palette_{bits}"] = saved(noisy.quantize(2**bits), "PNG", bits=bits)
    # A checksum that is wrong, of the data and of a comment.
    whole = png(pixels, extra=chunk(b"tEXt", b"Comment\0none"))
    at = whole.index(b"tEXt") + 4 + 12
    files["png_checksum_text"] = whole[:at] + bytes(4) + whole[at + 4 :]
    at = whole.index(b"IEND") - 8
    files["png_checksum_data"] = whole[:at] + bytes(4) + whole[at + 4 :]


def lzw(indices, bits=8):
    """Codes of GIF that are never shortened: a clear code before the table would widen them."""
    clear, width, out, held, count = 1 << bits, bits + 1, bytearray(), 0, 0
    codes = []
    for start in range(0, len(indices), 100):
        codes += [clear, *indices[start : start + 100]]
    for code in [*codes, clear + 1]:
        held |= code << count
        count += width
        while count >= 8:
            out.append(held & 255)
            held, count = held >> 8, count - 8
    out.append(held & 255)
    blocks = b"".join(bytes([len(out[i : i + 255])]) + bytes(out[i : i + 255]) for i in range(0, len(out), 255))
    return bytes([bits]) + blocks + b"\0"


def gif(screen, frame, background=0, key=None, interlaced=False, local=False, colours=True):
    """A GIF of one frame, `(left, top, width, height)`, of 256 colours: red falls, green rises, blue is the index."""
    left, top, width, height = frame
    table = b"".join(bytes([255 - i, i, i * 7 % 256]) for i in range(256))
    rows = [[(x * 11 + y * 5) % 256 for x in range(width)] for y in range(height)]
    if interlaced:
        rows = rows[0::8] + rows[4::8] + rows[2::4] + rows[1::2]
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, 0xF7 if colours else 0x70, background, 0) + (table if colours else b"")
    if key is not None:
        out += b"\x21\xf9\x04\x01\0\0" + bytes([key]) + b"\0"
    flags = (0x40 if interlaced else 0) | (0x87 if local else 0)
    out += b"," + struct.pack("<HHHHB", left, top, width, height, flags) + (table[::-1] if local else b"")
    return out + lzw([i for row in rows for i in row]) + b";"


def gifs(files):
    smooth = picture(4, 67, 45)
    files["gif"] = saved(smooth.quantize(64), "GIF")
    files["gif_animated"] = saved(smooth.quantize(64), "GIF", save_all=True, append_images=[smooth.rotate(180).quantize(64)])
    files["gif_interlaced"] = gif((20, 18), (0, 0, 20, 18), interlaced=True)
    files["gif_small"] = gif((20, 18), (3, 4, 9, 8), background=200)
    files["gif_small_first"] = gif((20, 18), (3, 4, 9, 8), background=0)
    files["gif_small_key"] = gif((20, 18), (3, 4, 9, 8), background=200, key=16)
    files["gif_small_key_background"] = gif((20, 18), (3, 4, 9, 8), background=16, key=16)
    files["gif_key"] = gif((20, 18), (0, 0, 20, 18), background=200, key=16)
    files["gif_small_local"] = gif((20, 18), (3, 4, 9, 8), background=200, local=True)
    files["gif_small_only_local"] = gif((20, 18), (3, 4, 9, 8), background=200, local=True, colours=False)
    files["gif_strip"] = gif((20, 18), (0, 4, 20, 8), background=200)
    files["gif_beyond"] = gif((20, 18), (12, 10, 14, 12), background=200)


def bmp(width, height, bits, rows, table=b"", compression=0, masks=b"", size=40):
    body = b"".join(row.ljust((len(row) + 3) // 4 * 4, b"\0") for row in rows) if compression in (0, 3) else rows
    start = 14 + size + len(masks) + len(table)
    if size == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, len(table) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + masks + table + body


def bmps(files):
    noisy = picture(5, 37, 21)
    pixels = np.asarray(noisy)
    palette = noisy.quantize(16)
    files["bmp"] = saved(noisy, "BMP")
    files["bmp_palette"] = saved(noisy.quantize(64), "BMP")
    files["bmp_bilevel"] = saved(noisy.convert("1"), "BMP")
    blue = [row[:, ::-1].tobytes() for row in pixels]
    files["bmp_top_down"] = bmp(37, -21, 24, blue)
    files["bmp_32"] = bmp(37, 21, 32, [np.dstack([row[None, :, ::-1], row[None, :, :1]]).tobytes() for row in pixels[::-1]])
    wide = pixels.astype(np.uint16)
    five = [((p[:, 0] >> 3 << 10) | (p[:, 1] >> 3 << 5) | p[:, 2] >> 3).astype("<u2").tobytes() for p in wide[::-1]]
    six = [((p[:, 0] >> 3 << 11) | (p[:, 1] >> 2 << 5) | p[:, 2] >> 3).astype("<u2").tobytes() for p in wide[::-1]]
    files["bmp_555"] = bmp(37, 21, 16, five)
    files["bmp_565"] = bmp(37, 21, 16, six, compression=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    index = np.asarray(palette)
    colours = np.asarray(palette.getpalette()[:48], dtype=np.uint8).reshape(16, 3)
    table = b"".join(bytes([b, g, r, 0]) for r, g, b in colours)
    nibbles = [bytes(int(a) << 4 | int(b) for a, b in zip(np.append(row, 0)[0::2], np.append(row, 0)[1::2])) for row in index]
    files["bmp_16_colours"] = bmp(37, 21, 4, nibbles[::-1], table)
    runs = b"".join(b"".join(bytes([1, int(i)]) for i in row) + b"\0\0" for row in index[::-1]) + b"\0\1"
    files["bmp_rle"] = bmp(37, 21, 8, runs, table, compression=1)
    files["bmp_os2"] = bmp(37, 21, 24, blue[::-1], size=12)


def webps(files):
    smooth = picture(6, 67, 45)
    clear = smooth.copy()
    clear.putalpha(smooth.convert("L"))
    files["webp"] = saved(smooth, "WEBP", quality=80)
    files["webp_lossless"] = saved(picture(6, 40, 30), "WEBP", lossless=True)
    files["webp_alpha"] = saved(clear, "WEBP", quality=80, exact=True)
    small = picture(7, 30, 20)
    files["webp_animated"] = saved(small, "WEBP", lossless=True, save_all=True, append_images=[small.rotate(180)])


def read(data, lenient=False, white=False):
    ImageFile.LOAD_TRUNCATED_IMAGES = lenient
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        if white:
            if "A" not in image.getbands() and image.info.get("transparency") is None:
                return "not transparent"
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
        return np.asarray(image.convert("RGB"))
    except Exception as error:
        return str(error).split(" <")[0].split(" (")[0]


def verdict(data, lenient):
    found = read(data, lenient)
    if isinstance(found, str):
        return found
    rows = [np.array_split(part, 4, axis=1) for part in np.array_split(found.astype(float), 4)]
    return [int(round(x)) for row in rows for part in row for x in part.mean((0, 1))]


def damage(files):
    cases = []
    for name in DAMAGED:
        size = len(files[name])
        cuts = [size * percent // 100 for percent in (3, 12, 25, 40, 55, 70, 85, 96)] + [size - n for n in (24, 12, 2, 1)]
        kept = [[[0, cut]] for cut in sorted(cuts)]
        for start in (size * 2 // 5, size * 7 // 10):
            kept += [[[0, start], [start + gone, size]] for gone in (1, 16, size // 10)]
        for ranges in kept:
            data = b"".join(files[name][a:b] for a, b in ranges)
            cases.append({"file": name, "kept": ranges, "strict": verdict(data, False), "lenient": verdict(data, True)})
    return cases


def main(folder):
    warnings.simplefilter("ignore")
    files = {}
    for make in (jpegs, pngs, gifs, bmps, webps):
        make(files)
    arrays = {}
    for name, data in files.items():
        arrays[f"file.{name}"] = np.frombuffer(data, dtype=np.uint8)
        found = read(data)
        print(name, len(data), found if isinstance(found, str) else found.shape)
        if not isinstance(found, str):
            arrays[f"pixels.{name}"] = np.ascontiguousarray(found)
            white = read(data, white=True)
            if not isinstance(white, str):
                arrays[f"white.{name}"] = np.ascontiguousarray(white)
    save_file(arrays, os.path.join(folder, "pictures.safetensors"))
    cases = damage(files)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    with open(os.path.join(folder, "pictures.json"), "w", encoding="utf-8") as file:
        file.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
