"""Forecasters: what a model over histories computes, and its form as one ONNX graph."""
