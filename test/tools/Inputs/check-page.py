"""Checks a page of `attnc simulate --html`: well-formed, nothing from outside, labels apart.

    check-page.py PAGE     prints the heading of each section and the number of its drawing's shapes
"""
import sys
import xml.etree.ElementTree as ElementTree

HTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"
SIZE, WIDTH = 12, 6.6  # of the labels; of a character of 12 px Helvetica, generously


def box(label):
    """Left, top, right, bottom of a label."""
    x, y, width = float(label.get("x")), float(label.get("y")), WIDTH * len(label.text)
    left = {"start": x, "middle": x - width / 2, "end": x - width}[label.get("text-anchor")]
    return left, y - 0.75 * SIZE, left + width, y + 0.2 * SIZE


def check_drawing(drawing):
    right, bottom = (float(v) for v in drawing.get("viewBox").split()[2:])
    boxes = [(label.text, box(label)) for label in drawing.iter(SVG + "text")]
    for i, (text, a) in enumerate(boxes):
        if a[0] < 0 or a[1] < 0 or a[2] > right or a[3] > bottom:
            sys.exit(f"'{text}' leaves the drawing: {a}")
        for other, b in boxes[:i]:
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                sys.exit(f"'{text}' and '{other}' overlap")
    for shape in drawing.iter():
        for key in ("x", "y", "cx", "cy", "width", "height", "x1", "x2", "y1", "y2"):
            value = shape.get(key)
            if value is not None and not -1 <= float(value) <= max(right, bottom) + 1:
                sys.exit(f"{shape.tag} has {key}={value}")


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    page = ElementTree.fromstring(text)
    for element in page.iter():
        for key in ("src", "href", "{http://www.w3.org/1999/xlink}href"):
            if element.get(key) is not None:
                sys.exit(f"the page needs {element.get(key)}")
        if element.tag in (HTML + "script", HTML + "link"):
            sys.exit(f"a {element.tag} in the page")
    if "url(" in text or "@import" in text:
        sys.exit("the style needs other files")
    heading = ""
    for element in page.iter():
        if element.tag == HTML + "h2":
            heading = element.text
        if element.tag == SVG + "svg":
            check_drawing(element)
            print(f"{heading}: {sum(1 for _ in element.iter())} shapes")


main()
