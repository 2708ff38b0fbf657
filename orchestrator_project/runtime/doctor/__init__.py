"""The doctor: looks at everything a cycle needs and says what to do where something is missing.

It only reads. ``examine`` is bounded in time and never raises, whatever is down.
"""

from orchestrator_project.runtime.doctor.examination import Examination, examine
from orchestrator_project.runtime.doctor.finding import Finding, Status

__all__ = ["Examination", "Finding", "Status", "examine"]
