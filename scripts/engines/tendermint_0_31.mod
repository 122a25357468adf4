// Tendermint 0.31 has no go.mod. These are the versions of 0.32.0's go.mod, the same set
// as 0.31's own lock file; without them the newest of each is taken, which does not build.
module engine

go 1.16

require github.com/tendermint/tendermint v0.31.12

require (
	github.com/btcsuite/btcd v0.0.0-20190115013929-ed77733ec07d
	github.com/btcsuite/btcutil v0.0.0-20180706230648-ab6388e0c60a
	github.com/etcd-io/bbolt v1.3.2
	github.com/fortytw2/leaktest v1.2.0
	github.com/go-kit/kit v0.6.0
	github.com/go-logfmt/logfmt v0.3.0
	github.com/gogo/protobuf v1.2.1
	github.com/golang/protobuf v1.3.0
	github.com/gorilla/websocket v1.2.0
	github.com/jmhodges/levigo v1.0.0
	github.com/magiconair/properties v1.8.0
	github.com/pkg/errors v0.8.0
	github.com/prometheus/client_golang v0.9.1
	github.com/rcrowley/go-metrics v0.0.0-20180503174638-e2704e165165
	github.com/rs/cors v1.6.0
	github.com/spf13/cobra v0.0.1
	github.com/spf13/viper v1.0.0
	github.com/stretchr/testify v1.2.2
	github.com/syndtr/goleveldb v0.0.0-20181012014443-6b91fda63f2e
	github.com/tendermint/go-amino v0.14.1
	golang.org/x/crypto v0.0.0-20190228161510-8dd112bcdc25
	golang.org/x/net v0.0.0-20180906233101-161cd47e91fd
	google.golang.org/grpc v1.13.0
	github.com/BurntSushi/toml v0.3.1
	github.com/VividCortex/gohistogram v1.0.0
	github.com/beorn7/perks v0.0.0-20180321164747-3a771d992973
	github.com/go-stack/stack v1.8.0
	github.com/golang/glog v0.0.0-20160126235308-23def4e6c14b
	github.com/golang/snappy v0.0.0-20180518054509-2e65f85255db
	github.com/google/gofuzz v1.0.0
	github.com/hashicorp/hcl v1.0.0
	github.com/inconshreveable/mousetrap v1.0.0
	github.com/kr/logfmt v0.0.0-20140226030751-b84e30acd515
	github.com/matttproud/golang_protobuf_extensions v1.0.1
	github.com/mitchellh/mapstructure v1.1.2
	github.com/pelletier/go-toml v1.2.0
	github.com/prometheus/client_model v0.0.0-20180712105110-5c3871d89910
	github.com/prometheus/common v0.0.0-20181020173914-7e9e6cabbd39
	github.com/prometheus/procfs v0.0.0-20181005140218-185b4288413d
	github.com/spf13/afero v1.1.2
	github.com/spf13/cast v1.3.0
	github.com/spf13/jwalterweatherman v1.0.0
	github.com/spf13/pflag v1.0.3
	go.etcd.io/bbolt v1.3.3
	google.golang.org/genproto v0.0.0-20181029155118-b69ba1387ce2
)
