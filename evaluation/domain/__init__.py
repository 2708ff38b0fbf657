"""Pure statistics of the evaluation: values in, values out; chance by seeds passed in. Formulas: docs/metrics.md."""
