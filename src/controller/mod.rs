//! The operator: watches, the reconcile loop, the planner, status, metrics, health.
