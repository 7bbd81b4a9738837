//! Whole pools, over simulated time.
