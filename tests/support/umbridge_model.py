"""Models behind an UM-Bridge server of `umbridge`, on a port that is given: `python umbridge_model.py PORT`."""

import math
import sys

import umbridge

ODD = {92.0: [[1.0], [2.0]], 93.0: [["x"] * 14, [1.0] * 14], 94.0: [[math.nan, -math.inf] * 7, [1.0] * 14]}
"""What the model makes of a first number; the server writes the last two as what is no JSON."""


class Model(umbridge.Model):
    def __init__(self, name, inputs, outputs, function):
        super().__init__(name)
        self.inputs, self.outputs, self.function = inputs, outputs, function

    def get_input_sizes(self, config):
        return [7 * 2 ** config["level"]] * self.inputs

    def get_output_sizes(self, config):
        return self.outputs(7 * 2 ** config["level"])

    def __call__(self, parameters, config):
        return self.function(parameters, config)

    def supports_evaluate(self):
        return True


def waves(parameters, config):
    first, second = parameters
    if first[0] == 91.0:
        raise ValueError("diverged")
    return ODD.get(first[0]) or [[x + 1.0 for x in first], [x * (2.0 + config["level"]) for x in second]]


if __name__ == "__main__":
    models = [
        Model("waves", 2, lambda n: [n, n], waves),
        Model("flat", 1, lambda n: [2 * n], lambda p, c: [p[0] + [c["factor"] * x for x in p[0]]]),
        Model("short", 2, lambda n: [9], lambda p, c: [[0.0] * 9]),
        Model("single", 1, lambda n: [n], lambda p, c: [[2.0 * x + 1.0 for x in p[0]]]),
    ]
    umbridge.serve_models(models, int(sys.argv[1]))
