package first

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

func TestFirst(t *testing.T) {
	ctx := context.Background()
	options, err := openstack.AuthOptionsFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	provider, err := openstack.AuthenticatedClient(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	region := gophercloud.EndpointOpts{Region: "RegionOne"}
	network, err := openstack.NewNetworkV2(provider, region)
	if err != nil {
		t.Fatal(err)
	}
	balancing, err := openstack.NewLoadBalancerV2(provider, region)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := subnets.List(network, subnets.ListOpts{Name: "private-subnet"}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := subnets.ExtractSubnets(pages)
	if err != nil {
		t.Fatal(err)
	}
	create := loadbalancers.CreateOpts{Name: "shop", VipSubnetID: found[0].ID}
	made, err := loadbalancers.Create(ctx, balancing, create).Extract()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := loadbalancers.Get(ctx, balancing, made.ID).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if shown.ProvisioningStatus != "ACTIVE" {
		t.Fatalf("it is %s", shown.ProvisioningStatus)
	}
}
