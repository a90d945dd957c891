"""Fixtures that several rooms' tests share."""

import signal

from hypothesis import HealthCheck, settings

from tests.postgresql import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]

# A busy machine is no failure: nothing here is about how long a single example takes.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell starts background jobs with SIGINT ignored, and what is ignored stays so in every child: the tests interrupt themselves and programs.
signal.signal(signal.SIGINT, signal.default_int_handler)
