"""Settings shared by every test."""

import os

from hypothesis import HealthCheck, Phase, settings

# What the tests start writes UTF-8, which they read, on Windows too: a pipe has
# the encoding of the code page there.
os.environ["PYTHONIOENCODING"] = "utf-8"

# Times vary on shared machines: a slow example is not a failure.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("quick", settings.get_profile("default"), max_examples=25)
settings.register_profile(
    "thorough", settings.get_profile("default"), max_examples=2000
)
# For tests that are to fail, see tools/mutants.py: nobody reads the example.
settings.register_profile(
    "seeded",
    settings.get_profile("quick"),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
