//! How an option that may not be given becomes a setting.

/// Sets what was asked for.
pub(super) fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

/// Sets what was asked for, where the setting may be `None`.
pub(super) fn set_some<T>(to: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *to = value;
    }
}
