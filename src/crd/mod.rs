//! The objects of  and their conditions.
