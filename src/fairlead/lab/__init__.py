"""What makes and judges models: tables, statistics, compiling, training, evaluating."""
