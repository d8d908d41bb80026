#!/bin/sh
# Called by udhcpc with what it learned in its environment, whose names are udhcpc's own.
# shellcheck disable=SC2154
case $1 in
    bound)
        ip address add "$ip/$mask" dev "$interface"
        [ -z "$router" ] || ip route add default via "${router%% *}" dev "$interface"
        echo "address $interface $ip/$mask router=${router:--} dns=${dns:--}"
        ;;
esac
