"""Two CPU devices for all tests, asked for before JAX touches one."""

import jax

jax.config.update("jax_num_cpu_devices", 2)
