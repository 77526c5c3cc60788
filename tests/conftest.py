"""A property is true or not, however busy the machine is: no deadline per example, in any folder."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
