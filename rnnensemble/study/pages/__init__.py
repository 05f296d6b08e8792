"""Reports as values, and as one HTML page that needs nothing but itself.

A report is a `document.Document`: sections of text, tables, charts and pictures. Each kind of
folder has a file that makes its document: `run`, `sweep`, `rounds` (a plan of deflation), `arrays`
(networks made elsewhere), `comparison` (several folders side by side). `html.page` writes any of
them as a page; its look is in `page.css`, what it does in `page.js`.

The charts are drawn by Apache ECharts (`echarts.min.js`, version 6.1.0, unchanged, Apache-2.0),
which stands whole in every page. It was chosen among well-kept libraries for its size (1.1 MB,
with maps of points, lines and matrices; Plotly with matrices has 1.5 MB) and since it
evaluates no text as a program, so that the page's policy can forbid that (Vega needs it).
"""
