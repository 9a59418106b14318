//! What is done to rendered objects before they are applied: Kustomize's patches and images, labels and annotations for all.

pub mod selector;
