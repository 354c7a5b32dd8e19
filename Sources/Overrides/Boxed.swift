/// Keeps a large value that rarely changes on the heap, so that copies of what contains it are small.
@propertyWrapper public struct Boxed<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
    private final class Box: Sendable {
        let value: Value

        init(_ value: Value) { self.value = value }
    }

    private var box: Box

    /// The value.
    public var wrappedValue: Value {
        get { box.value }
        set { box = Box(newValue) }
    }

    /// Boxes a value.
    public init(wrappedValue: Value) { box = Box(wrappedValue) }

    /// Decodes the value itself.
    public init(from decoder: any Decoder) throws { box = Box(try Value(from: decoder)) }

    /// Encodes the value itself.
    public func encode(to encoder: any Encoder) throws { try box.value.encode(to: encoder) }

    /// Compares the values.
    public static func == (left: Boxed, right: Boxed) -> Bool {
        left.box === right.box || left.box.value == right.box.value
    }

    /// Hashes the value.
    public func hash(into hasher: inout Hasher) { hasher.combine(box.value) }
}
