"""What the viewer on a study's page says."""

TEXTS = {
    "viewer.label": "Radiograph {number}. Arrows change level and window, Shift and arrows move it, plus and minus"
    " zoom, I inverts, R resets, H shows the heat map.",
    "viewer.tools": "Tools of the radiograph",
    "viewer.invert": "Invert",
    "viewer.closer": "Closer",
    "viewer.farther": "Farther",
    "viewer.reset": "Reset",
    "viewer.map": "Heat map",
    "viewer.map_is": "The heat map shows where the network reacted, in the lungs in colour; in the middle of the"
    " slider it is as strong as in the picture that is sent.",
    "viewer.keys": "Drag: window and level; Shift and drag, or two fingers: move; wheel: zoom.",
    "viewer.shown": "Centre {centre}, width {width}, zoom {zoom} %.",
    "viewer.shrunk": "Shown with {columns} x {rows} of {all_columns} x {all_rows} pixels, each the mean of several.",
    "viewer.failed": "As received; window and level are not available.",
}
