//! The YAML files and the settings made of them.
//!
//! Owns what the files may say (`keys`), reading them with the place of each value (`tree`, `fields`), and
//! [`Settings`], which holds checked domain values only. Nobody can make settings but [`load()`], and it gives either
//! settings without a fault or every fault of every file.
//!
//! Refused: unknown keys, values of another type than expected, YAML that unfolds (aliases) or nests deeply, files
//! beyond [`LARGEST_FILE_BYTES`], secrets that others can read, and in production the keys of `keys-example/`. Secrets
//! are read when they are used ([`SecretFile::read`]), not with the settings; [`check_secrets`] tries them all.

mod access;
mod assignment_file;
mod costs_file;
mod difference;
mod example_keys;
mod fault;
mod fields;
mod files;
mod kept;
mod keys;
mod load;
mod mail_section;
mod main_file;
mod merged_file;
mod mergers;
mod nearest;
mod protocol_section;
mod schema;
mod secret;
mod settings;
mod tenant_file;
mod terms_section;
mod tree;
mod words;

pub use difference::{Difference, Holds, SettingChange, TenantDifference, difference, tenant_difference};
pub use fault::Fault;
pub use files::{LARGEST_FILE_BYTES, MOST_ASSIGNMENTS, MOST_TENANTS};
pub use kept::{Kept, KeptFault, LARGEST_KEPT_BYTES, named_state_dir};
pub use load::{MUNICIPALITIES, load, load_as_far, load_with};
pub use mail_section::{fault_of_certificates, mail_of};
pub use merged_file::{Draft, DraftFault, Merger, draft};
pub(crate) use nearest::nearest;
pub use schema::schemas;
pub use secret::{LARGEST_SECRET_BYTES, SecretError, SecretFile, check_secrets};
pub use settings::{
    Environment, Language, Limits, LogKeySettings, MailSettings, MailTls, MetricsSettings, Penalties, RegisterSettings,
    Retention, Settings,
};
