/// A NACK, kept until the client accepts a later response.
public struct Rejection: Hashable, Sendable {
    /// The rejected version: SotW's `version_info`, or delta's `system_version_info`.
    public var version: ResourceVersion
    /// The client's message (`error_detail.message`), cut to `longestMessage`.
    public var message: String

    /// The maximum length of a message that is kept, in bytes.
    ///
    /// Envoy quotes whole resources.
    static let longestMessage = 2_000

    init(version: ResourceVersion, message: String) {
        self.version = version
        self.message = message.prefix(utf8Count: Self.longestMessage)
    }
}

/// A client's state of one resource.
public struct SubscribedResource: Hashable, Sendable {
    /// Its name.
    public var name: ResourceName
    /// The last version sent; nil if there was none, because the resource doesn't exist or is still due.
    public var sent: ResourceVersion?
    /// The last version that the client accepted on this stream; nil before the first ACK.
    public var acknowledged: ResourceVersion?
}

/// The status of one type's subscription.
public struct SubscriptionStatus: Hashable, Sendable {
    /// Sorted by name; the first ones, if there are more than were requested.
    public var resources: [SubscribedResource]
    /// The number of all resources.
    public var count: Int
    /// The version of the last response; nil before the first.
    public var sent: ResourceVersion?
    /// The version of the last response that the client accepted.
    public var acknowledged: ResourceVersion?
    /// The last answer, if it was a NACK.
    public var rejection: Rejection?
}

extension String {
    /// The first characters that fit into this many bytes of UTF-8; a copy, so that the whole text isn't kept.
    public func prefix(utf8Count limit: Int) -> String {
        guard utf8.count > limit else { return self }
        // A character cut in half is replaced.
        return String(decoding: Array(utf8.prefix(limit)), as: UTF8.self)
    }
}

extension Collection<ResourceName> {
    /// The first names in order, up to the limit.
    fileprivate func first(_ limit: Int) -> [ResourceName] {
        var first: [ResourceName] = []
        for name in self {
            if first.count == limit {
                guard let last = first.last, name < last else { continue }
                first.removeLast()
            }
            first.insert(name, at: first.partitioningIndex { name < $0 })
        }
        return first
    }

    /// The first names in order, up to the limit; fast even if there are many more.
    func smallest(_ limit: Int) -> [ResourceName] { count <= limit ? sorted() : first(limit) }
}

extension [ResourceName] {
    /// The first index for which the condition holds; it must hold for all after it.
    fileprivate func partitioningIndex(where isSecond: (ResourceName) -> Bool) -> Int {
        var range = startIndex..<endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isSecond(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
