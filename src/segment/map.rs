//! Mappings of segment files: the one place of the storage side with `unsafe`.
