//! Parsed values and the pure rules on them. No input or output, no clock, no runtime.
//!
//! A value of this room cannot exist unchecked: whoever holds a [`Niss`] or a [`TenantId`] need not look at it again.

pub mod amount;
pub mod assignment;
pub mod cost;
pub mod date;
pub mod delivery_name;
pub mod enterprise;
pub mod iban;
pub mod kind;
mod merger;
pub mod municipality;
pub mod niss;
pub mod password;
pub mod path;
pub mod placed;
pub mod protocol;
pub mod release;
pub mod remittance;
pub mod sepa;
mod server_address;
pub mod share;
pub mod size;
pub mod source;
pub mod ssh_key;
pub mod statistics;
pub mod tenant;

pub use amount::{Amount, AmountFault, Price, PriceFault};
pub use assignment::{Assignment, AssignmentId, Criteria};
pub use cost::{Costs, Tariff};
pub use date::{brussels, brussels_date, in_brussels};
pub use delivery_name::DeliveryName;
pub use enterprise::{EnterpriseNumber, EnterpriseNumberFault};
pub use iban::{Iban, IbanFault};
pub use kind::{Column, Kind, tells_beneficiaries};
pub use merger::{Merger, merger_of, mergers};
pub use municipality::{Municipalities, Municipality, NisCode};
pub use niss::{AgeCheck, Birth, Niss, NissFault};
pub use password::{PasswordHash, PasswordHashFault};
pub use path::{PathFault, VirtualPath};
pub use placed::PlacedNiss;
pub use protocol::{Protocol, ProtocolId};
pub use release::{Clearance, Ground, Refusal, Rule};
pub use remittance::{CommunicationFault, StructuredCommunication};
pub use server_address::{ServerAddress, ServerAddressFault};
pub use share::Share;
pub use size::ByteSize;
pub use source::{SourceCatalogue, SourceId};
pub use ssh_key::SshPublicKey;
pub use statistics::{Count, Statistics};
pub use tenant::{Tenant, TenantId, TenantKind};
