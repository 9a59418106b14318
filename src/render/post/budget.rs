//! How much patches may write in all, so that a small patch for many objects, or a copy of a copy, cannot fill the memory.

use serde_json::Value;

/// Bytes that the patches and images of a release may write, about.
const BYTES: usize = 64 << 20;

pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: BYTES }
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| format!("the patches write more than {} MiB in all", BYTES >> 20))?;
        Ok(())
    }

    /// Pays for a copy of a value.
    pub(super) fn spend_value(&mut self, value: &Value) -> Result<(), String> {
        self.spend(32)?;
        match value {
            Value::String(text) => self.spend(text.len()),
            Value::Array(items) => items.iter().try_for_each(|item| self.spend_value(item)),
            Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
                self.spend(key.len())?;
                self.spend_value(value)
            }),
            _ => Ok(()),
        }
    }
}
