//! The YAML files and the settings made of them.
