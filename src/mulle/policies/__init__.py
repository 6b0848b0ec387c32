"""From scores to an action."""

from mulle.policies.base import Chosen, Costs, Policy, policies, policy

__all__ = ["Chosen", "Costs", "Policy", "policies", "policy"]
