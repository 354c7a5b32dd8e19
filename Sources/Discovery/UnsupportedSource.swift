/// Stands for a source that this program was put together without.
public struct UnsupportedSource: EndpointSource {
    private let id: SourceID

    /// Stands for that source.
    public init(id: SourceID) { self.id = id }

    /// Reports that there is no such source.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await report(.failure(reason: "this program was built without a source for \(id.description)"))
    }
}
