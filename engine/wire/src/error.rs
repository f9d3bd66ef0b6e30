/// Why bytes are not a well-formed header of the layer that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the header, or than the length that the header states.
    #[error("frame is cut short")]
    Truncated,
    /// The IP version is not the one that was asked for.
    #[error("IP version is not the expected one")]
    Version,
    /// The IPv4 header has options (IHL above 5) or is impossibly short (IHL below 5).
    #[error("IPv4 header length is not 20 bytes")]
    HeaderLength,
    /// A length field is smaller than the header that carries it.
    #[error("length field is smaller than its header")]
    Length,
    /// An IPv4 fragment: more fragments follow, or the offset is not 0.
    #[error("IPv4 fragment")]
    Fragment,
}
