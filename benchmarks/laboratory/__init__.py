"""How far surrogates generalize: to other function spaces, and to other laws of inputs."""
