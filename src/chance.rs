//! Numbers that are drawn the same way each time, for tests that try thousands of cases.

/// A source of such numbers; its field is the seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The lower bits of such a generator repeat soon.
        (self.0 >> 33) as usize % end
    }

    /// One of these.
    pub(crate) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}
