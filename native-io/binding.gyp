# Builds native-io/build/Release/caraway_native_io.node; see install.mjs (release) and
# asan.mjs (the same sources under AddressSanitizer).
{
  "variables": {
    "asan%": 0,
    "napi_include%": "<!(node -p \"require('node:path').dirname(require.resolve('node-addon-api'))\")",
    "source_dir%": "src",
  },
  "targets": [
    {
      "target_name": "caraway_native_io",
      "sources": [
        "<(source_dir)/addon.cc",
        "<(source_dir)/af-packet.cc",
        "<(source_dir)/af-xdp-open.cc",
        "<(source_dir)/af-xdp.cc",
        "<(source_dir)/checksum.cc",
        "<(source_dir)/link-info.cc",
        "<(source_dir)/link-watch.cc",
        "<(source_dir)/memif.cc",
        "<(source_dir)/memif-bell.cc",
        "<(source_dir)/memif-channel.cc",
        "<(source_dir)/memif-client.cc",
        "<(source_dir)/memif-region.cc",
        "<(source_dir)/memif-ring.cc",
        "<(source_dir)/memif-server.cc",
        "<(source_dir)/memif-session.cc",
        "<(source_dir)/memif-socket.cc",
        "<(source_dir)/module.cc",
        "<(source_dir)/net-namespace.cc",
        "<(source_dir)/shared-memory.cc",
        "<(source_dir)/socket-control.cc",
        "<(source_dir)/socket-descriptors.cc",
        "<(source_dir)/socket-direct.cc",
        "<(source_dir)/socket-memory.cc",
        "<(source_dir)/socket-module.cc",
        "<(source_dir)/socket-query.cc",
        "<(source_dir)/socket-table.cc",
        "<(source_dir)/sockets.cc",
        "<(source_dir)/spinner.cc",
        "<(source_dir)/sum16.cc",
        "<(source_dir)/tap.cc",
        "<(source_dir)/virtio-tx.cc",
        "<(source_dir)/wake.cc",
        "<(source_dir)/xdp-filter.cc",
        "<(source_dir)/xdp-program.cc",
      ],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "_GNU_SOURCE"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fexceptions", "-frtti"],
      "cflags_cc": [
        "-std=c++20",
        "-fno-exceptions",
        "-fno-rtti",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Wshadow",
        "-Werror",
        "-isystem",
        "<(napi_include)",
      ],
      "conditions": [
        [
          "asan==1",
          {
            "cflags_cc": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"],
            # Node-API callbacks cross from code built without RTTI: vptr checks cannot work there.
            "cflags_cc+": ["-fno-sanitize=vptr", "-fno-sanitize-recover=undefined"],
            "ldflags": ["-fsanitize=address,undefined"],
          },
        ]
      ],
    }
  ],
}
