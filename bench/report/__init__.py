"""Results as a person reads them: tables in Markdown, charts in SVG.

In      the JSON of bench/results
Out     docs/performance.md between its markers, docs/charts/*.svg
Callers bench/command.py (`heapfast bench report`)
Never   shows a figure that is in no file
"""
