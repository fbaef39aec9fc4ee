//! The pipelines from list to answer and from hand-over to delivery.
