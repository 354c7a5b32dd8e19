import CGRPC
import Glibc

/// Integer and string options of C-core, with the names from its headers.
struct ChannelArguments {
    enum Value {
        case integer(Int32)
        case text(String)
    }

    private var values: [(name: String, value: Value)] = []

    mutating func set(_ name: String, _ value: Int) {
        values.append((name, .integer(Int32(clamping: value))))
    }

    mutating func set(_ name: String, _ value: String) { values.append((name, .text(value))) }

    /// Refuses compressed messages, because C-core applies its limit on message length before decompression only.
    mutating func refuseCompression() {
        set(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << Int(GRPC_COMPRESS_NONE.rawValue))
    }

    /// Calls `body` with C-core's form of the arguments, which is valid until `body` returns.
    ///
    /// C-core copies what it keeps.
    func withCArguments<Result>(_ body: (UnsafePointer<grpc_channel_args>) -> Result) -> Result {
        // Owned here: every string is freed below.
        var strings: [UnsafeMutablePointer<CChar>?] = []
        defer { strings.forEach { free($0) } }
        let copy = { (text: String) in
            let string = strdup(text)
            strings.append(string)
            return string
        }
        var arguments = values.map { name, value in
            var argument = grpc_arg()
            argument.key = copy(name)
            switch value {
            case .integer(let integer):
                argument.type = GRPC_ARG_INTEGER
                argument.value.integer = integer
            case .text(let text):
                argument.type = GRPC_ARG_STRING
                argument.value.string = copy(text)
            }
            return argument
        }
        return arguments.withUnsafeMutableBufferPointer { buffer in
            var list = grpc_channel_args(num_args: buffer.count, args: buffer.baseAddress)
            return withUnsafePointer(to: &list, body)
        }
    }
}
