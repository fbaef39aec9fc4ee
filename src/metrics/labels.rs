//! The labels of the counters.

use prometheus_client::encoding::EncodeLabelSet;

use super::of_tenant::TenantLabel;

/// The tenant's label of what concerns no configured tenant: a user name that somebody tried, most often. No tenant can
/// have this name.
pub const UNKNOWN_TENANT: &str = "_unknown";

/// Of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfTenant {
    pub tenant: String,
}

/// A directory of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfDirectory {
    pub directory: String,
}

/// A login that was accepted, or refused for a reason of the log's closed set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LoginLabels {
    pub tenant: String,
    pub method: &'static str,
    pub outcome: String,
}

/// How somebody logged in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Method {
    pub method: &'static str,
}

/// A transfer that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TransferLabels {
    pub tenant: String,
    pub direction: &'static str,
    pub outcome: &'static str,
}

/// Bytes one way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Bytes {
    pub tenant: String,
    pub direction: &'static str,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Direction {
    pub direction: &'static str,
}

/// A list that was answered, or refused for a reason of the log's closed set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ListLabels {
    pub tenant: String,
    pub outcome: String,
}

/// A rule of the release gate that was not met.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RuleLabels {
    pub tenant: String,
    pub rule: String,
}

/// A step of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeliveryLabels {
    pub tenant: String,
    pub step: &'static str,
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    pub outcome: &'static str,
}

/// An event of the transfer log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EventLabel {
    pub event: &'static str,
}

impl TenantLabel for LoginLabels {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl TenantLabel for TransferLabels {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl TenantLabel for Bytes {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl TenantLabel for ListLabels {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl TenantLabel for RuleLabels {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl TenantLabel for DeliveryLabels {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}
