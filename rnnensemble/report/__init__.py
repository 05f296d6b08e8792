"""The report on a sweep: rows, tables, page, and the advice that follows from them."""
